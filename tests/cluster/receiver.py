"""Receives webhooks and mails on one address, and writes a line of JSON for each: what came, about which event and host."""

from __future__ import annotations

import json
import re
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiosmtpd.controller import Controller

if TYPE_CHECKING:
    from aiosmtpd.smtp import SMTP, Envelope, Session

HTTP, MAIL = 8080, 2525
SUBJECT = re.compile(r"^Subject: nvkeep: (\S+): (\S+) on (\S+)$", re.MULTILINE)


def keep(file: Path, by: str, event: str, service: str, host: str) -> None:
    """Write one line."""
    with file.open("a") as stream:
        stream.write(f"{json.dumps([by, host, event, service])}\n")


class Mails:
    """What a mail server calls."""

    def __init__(self, file: Path) -> None:
        self.file = file

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - its name there
        """Keep a mail; refuse one that is not of nvkeep, or without the status."""
        content = envelope.content if isinstance(envelope.content, bytes) else b""
        text = content.decode().replace("\r\n", "\n")
        subject, _, body = text.partition("\n\n")
        match = SUBJECT.search(subject)
        if not match or json.loads(body)["service"] != match[1]:
            return "554 no mail of nvkeep"
        keep(self.file, "mail", match[2], match[1], match[3])
        return "250 OK"


def hooks(file: Path) -> type[BaseHTTPRequestHandler]:
    """Make what a web server calls."""

    class Hooks(BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # its name there
            status: dict[str, Any] = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            keep(file, "webhook", status["event"], status["service"], status["host"])
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Hooks


def main(address: str, file: Path) -> None:
    """Receive for ever; the file is there as soon as both listen."""
    Controller(Mails(file), hostname=address, port=MAIL).start()
    server = ThreadingHTTPServer((address, HTTP), hooks(file))
    file.touch()
    server.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
