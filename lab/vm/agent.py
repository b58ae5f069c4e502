"""Runs commands in a machine for the lab, over a virtio-serial port: one JSON object a line, both ways.

It runs inside, by path, with the machine's own Python. A request is answered by a thread of its own, so a command
that hangs does not stop the others. An ssh handshake takes 5 to 11 s in an emulated machine; this takes none.
"""

import base64
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PORT = "lab.agent"
CMDLINE = Path("/proc/cmdline")
BOOT = Path("/proc/sys/kernel/random/boot_id")


def main() -> None:
    """Give the machine its addresses, say that it is up, and serve for ever."""
    port = open_port()
    lock = threading.Lock()
    cable(CMDLINE.read_text().split())
    send(port, lock, {"up": BOOT.read_text().strip()})
    for line in lines(port):
        threading.Thread(target=serve, args=(port, lock, line), daemon=True).start()


def open_port() -> int:
    """Open the port, which exists from the moment the kernel has found it."""
    while True:
        for name in Path("/sys/class/virtio-ports").glob("*/name"):
            if name.read_text().strip() == PORT:
                return os.open(f"/dev/{name.parent.name}", os.O_RDWR)
        time.sleep(0.05)


def lines(port: int) -> Iterator[bytes]:
    """Yield what comes, line by line."""
    rest = b""
    while True:
        found = os.read(port, 65536)
        if not found:  # nobody is at the other end
            time.sleep(0.1)
        *whole, rest = (rest + found).split(b"\n")
        yield from whole


def cable(words: list[str]) -> None:
    """Give every interface named on the kernel's command line its address: `lab.net=eth0:10.0.0.1/24`."""
    for word in words:
        key, _, value = word.partition("=")
        if key == "lab.net":
            interface, _, address = value.partition(":")
            while not Path(f"/sys/class/net/{interface}").exists():
                time.sleep(0.05)
            insist(["ip", "addr", "replace", address, "dev", interface])
            insist(["ip", "link", "set", interface, "up"])


def insist(argv: list[str]) -> None:
    """Run a command until it succeeds: on a busy machine it may be late, and without it this one is not up."""
    while run({"argv": argv, "timeout": 30}).get("code") != 0:
        time.sleep(0.2)


def send(port: int, lock: threading.Lock, answer: dict[str, Any]) -> None:
    """Write one line, whole."""
    left = json.dumps(answer).encode() + b"\n"
    with lock:
        while left:
            left = left[os.write(port, left) :]


def serve(port: int, lock: threading.Lock, line: bytes) -> None:
    """Answer one request."""
    request = json.loads(line)
    try:
        answer = DO[request["do"]](request)
    except Exception as error:  # noqa: BLE001 - whatever it is, whoever asked must hear of it
        answer = {"error": f"{type(error).__name__}: {error}"}
    send(port, lock, answer | {"id": request["id"]})


def run(request: dict[str, Any]) -> dict[str, Any]:
    """Run a command to its end; a late one is killed with its session."""
    feed = request.get("feed")
    # Not a `with` block, nor communicate() again: a command that the kernel does not release would never end this thread.
    process = subprocess.Popen(
        request["argv"],
        stdin=subprocess.DEVNULL if feed is None else subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        out, err = process.communicate(None if feed is None else feed.encode(), request["timeout"])
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        return {"late": True}
    return {"code": process.returncode, "out": out.decode(errors="replace"), "err": err.decode(errors="replace")}


def write(request: dict[str, Any]) -> dict[str, Any]:
    """Write a file, making its directories."""
    path = Path(request["path"])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(base64.b64decode(request["data"]))
    if request.get("mode") is not None:
        path.chmod(request["mode"])
    return {}


def read(request: dict[str, Any]) -> dict[str, Any]:
    """Read a file."""
    return {"data": base64.b64encode(Path(request["path"]).read_bytes()).decode()}


def link(request: dict[str, Any]) -> dict[str, Any]:
    """Make a symbolic link."""
    Path(request["path"]).symlink_to(request["to"])
    return {}


DO = {"run": run, "write": write, "read": read, "link": link}

if __name__ == "__main__":
    main()
