"""What `systemctl show` prints, asked of systemd over its own socket, which takes a third of the time: a pass looks often.

Only root may open the socket; whoever cannot, or is not answered at once, runs the program (LocalHost.run).
"""

import socket
import struct
import time
from collections.abc import Iterator, Sequence

from jeepney import DBusAddress, HeaderFields, Message, MessageType, Parser, Properties
from jeepney.auth import BEGIN, AuthenticationError, Authenticator

from nvkeep.host.base import Completed

SOCKET = "/run/systemd/private"
NAME = "org.freedesktop.systemd1"
ANSWER_TIMEOUT_S = 1.0  # for everything that is asked at once; it answers within milliseconds
OPTION = "--property="
OF_ITS_TYPE = ("Result", "MainPID")  # properties that a unit has by its type; a target has none of them
HAS_NONE = tuple(f"org.freedesktop.DBus.Error.Unknown{what}" for what in ("Property", "Interface"))
CHUNK_BYTES = 65536


def show(argv: Sequence[str], path: str = SOCKET) -> Completed | None:
    """Print properties as `systemctl show --property=A,B -- UNIT...` does; None where systemd cannot be asked so."""
    if len(argv) < 5 or not argv[2].startswith(OPTION) or argv[3] != "--":  # noqa: PLR2004 - at least one unit
        return None
    names = argv[2].removeprefix(OPTION).split(",")
    deadline = time.monotonic() + ANSWER_TIMEOUT_S
    try:
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(ANSWER_TIMEOUT_S)
            line.connect(path)
            _authenticate(line, deadline)
            texts = ["".join(_shown(line, unit, names, deadline)) for unit in argv[4:]]
    except (OSError, ValueError, LookupError, TypeError, struct.error, AuthenticationError):
        return None
    return Completed(tuple(argv), 0, "\n".join(texts), "")


def _authenticate(line: socket.socket, deadline: float) -> None:
    """Say who asks; systemd sees by itself whether that is so."""
    words = Authenticator()
    for data in words:
        line.sendall(data)
        words.feed(_received(line, deadline))
    line.sendall(BEGIN)


def _received(line: socket.socket, deadline: float) -> bytes:
    line.settimeout(max(0.001, deadline - time.monotonic()))
    if time.monotonic() > deadline:  # whoever goes on talking has not answered either
        raise TimeoutError
    data = line.recv(CHUNK_BYTES)
    if not data:
        raise ConnectionResetError(0, "systemd has hung up", SOCKET)
    return data


def _shown(line: socket.socket, unit: str, names: Sequence[str], deadline: float) -> Iterator[str]:
    """Ask for all properties of one unit at once, and print those it has. Raises LookupError where one is refused."""
    line.sendall(b"".join(_question(unit, name).serialise(serial) for serial, name in enumerate(names, 1)))
    answers = _answers(line, len(names), deadline)
    for serial, name in enumerate(names, 1):
        if answers[serial].header.message_type is MessageType.method_return:
            yield f"{name}={_printed(answers[serial].body[0][1])}\n"
        elif name not in OF_ITS_TYPE or answers[serial].header.fields.get(HeaderFields.error_name) not in HAS_NONE:
            raise LookupError(f"{unit} {name}")


def _question(unit: str, name: str) -> Message:
    kind = unit.rpartition(".")[2].capitalize() if name in OF_ITS_TYPE else "Unit"
    return Properties(DBusAddress(_path(unit), NAME, f"{NAME}.{kind}")).get(name)


def _answers(line: socket.socket, count: int, deadline: float) -> dict[int, Message]:
    """Receive as many answers as there were questions, by the number of the question."""
    parser, answers = Parser(), dict[int, Message]()
    while len(answers) < count:
        for message in parser.feed(_received(line, deadline)):
            number = message.header.fields.get(HeaderFields.reply_serial)
            answers |= {number: message} if number else {}  # without one it is a signal, which everybody here gets
    return answers


def _path(unit: str) -> str:
    """Name the object of a unit: letters and digits stay, all else is written as _ and two hexadecimal digits."""
    escaped = "".join(
        chr(byte) if chr(byte).isascii() and chr(byte).isalnum() and not (at == 0 and chr(byte).isdigit()) else f"_{byte:02x}"
        for at, byte in enumerate(unit.encode())
    )
    return f"/org/freedesktop/systemd1/unit/{escaped}"


def _printed(value: object) -> str:
    """Print a value as systemctl does: a job by its number, a list with spaces between."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return str(value[0])
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)
