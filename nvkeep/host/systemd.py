"""What `systemctl show`, `is-enabled`, `start` and `stop` do, asked of systemd over its own socket, in a third of the time.

Only root may open the socket; whoever cannot, or is not answered at once, runs the program (LocalHost.run).
"""

import socket
import struct
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Literal

from jeepney import DBusAddress, HeaderFields, Message, MessageType, Parser, Properties, new_method_call
from jeepney.auth import BEGIN, AuthenticationError, Authenticator

from nvkeep.host.base import Completed

SOCKET = "/run/systemd/private"
NAME = "org.freedesktop.systemd1"
ANSWER_TIMEOUT_S = 1.0  # for everything that is asked at once; it answers within milliseconds
OPTION = "--property="
OF_ITS_TYPE = ("Result", "MainPID")  # properties that a unit has by its type; a target has none of them
HAS_NONE = tuple(f"org.freedesktop.DBus.Error.Unknown{what}" for what in ("Property", "Interface"))
CHUNK_BYTES = 65536
HEAD_BYTES = 16
READ_WITH_BEGIN_BYTES = 512  # at least 256, and twice what it has kept
FILLER = 2**31  # the number of questions whose answers nobody waits for
ORDERS: dict[int, Literal["little", "big"]] = {ord("l"): "little", ord("B"): "big"}
UNIT_AT = 4  # in the words of a command: systemctl VERB OPTION -- UNIT
FRESH = {"Result": "success", "MainPID": "0", "InactiveEnterTimestampMonotonic": "0"}  # of a service that is not loaded
LISTED = {"LoadState": 2, "ActiveState": 3, "SubState": 4, "Job": 7}  # their places in the words of ListUnits
ENABLED = ("systemctl", "is-enabled", "--")
STARTED = ("enabled", "enabled-runtime", "static", "alias", "indirect")  # where is-enabled ends with 0
NOT_STARTED = ("disabled", "masked", "masked-runtime", "linked", "linked-runtime")  # and where it ends with 1
JOBS, QUEUED = {"start": "StartUnit", "stop": "StopUnit"}, ("--no-block", "--")
MANAGER = DBusAddress("/org/freedesktop/systemd1", NAME, f"{NAME}.Manager")
PING = new_method_call(DBusAddress("/", NAME, "org.freedesktop.DBus.Peer"), "Ping")
NO_ANSWER = (OSError, ValueError, LookupError, TypeError, struct.error, AuthenticationError)


def show(argv: Sequence[str], path: str = SOCKET) -> Completed | None:
    """Print properties as `systemctl show --property=A,B -- UNIT...` does; None where systemd cannot be asked so."""
    if len(argv) < UNIT_AT + 1 or argv[1] != "show" or not argv[2].startswith(OPTION) or argv[3] != "--":
        return None
    names, units = argv[2].removeprefix(OPTION).split(","), argv[UNIT_AT:]
    deadline = time.monotonic() + ANSWER_TIMEOUT_S
    try:
        with _line(path, deadline) as line:
            fresh = _fresh(line, units, deadline) if {*names} <= {*LISTED, *FRESH} else {}
            said = (_of_fresh(fresh[unit], names) if unit in fresh else _shown(line, unit, names, deadline) for unit in units)
            texts = ["".join(lines) for lines in said]
    except NO_ANSWER:
        return None
    return Completed(tuple(argv), 0, "\n".join(texts), "")


def enabled(argv: Sequence[str], path: str = SOCKET) -> Completed | None:
    """Print how a unit is enabled as `systemctl is-enabled -- UNIT` does; None where it has to be the program.

    It is for a unit of a start script of before systemd (generated), and for one that there is not.
    """
    if len(argv) != len(ENABLED) + 1 or tuple(argv[: len(ENABLED)]) != ENABLED:
        return None
    answer = _one(new_method_call(MANAGER, "GetUnitFileState", "s", (argv[-1],)), path)
    state = str(answer.body[0]) if answer else ""
    if state not in STARTED + NOT_STARTED:
        return None
    return Completed(tuple(argv), int(state in NOT_STARTED), f"{state}\n", "")


def queue(argv: Sequence[str], path: str = SOCKET) -> Completed | None:
    """Queue a job as `systemctl start --no-block -- UNIT` does; None where systemd cannot be asked so, or refuses.

    Then systemctl is run, which says why; a job that is queued already is the same job.
    """
    if len(argv) != UNIT_AT + 1 or argv[1] not in JOBS or tuple(argv[2:UNIT_AT]) != QUEUED:
        return None
    answer = _one(new_method_call(MANAGER, JOBS[argv[1]], "ss", (argv[UNIT_AT], "replace")), path)
    return Completed(tuple(argv), 0, "", "") if answer else None


def _one(question: Message, path: str) -> Message | None:
    """Ask one thing; None where systemd cannot be asked so, or refuses."""
    deadline = time.monotonic() + ANSWER_TIMEOUT_S
    try:
        with _line(path, deadline) as line:
            (answer,) = _answers(line, (question,), deadline)
    except NO_ANSWER:
        return None
    return answer if _kind(answer) is MessageType.method_return else None


@contextmanager
def _line(path: str, deadline: float) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(ANSWER_TIMEOUT_S)
        line.connect(path)
        _authenticate(line, deadline)
        yield line


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


def _fresh(line: socket.socket, units: Sequence[str], deadline: float) -> dict[str, Sequence[object]]:
    """Give the words of those services that systemd has not loaded, and so has nothing on record for but their files.

    To look at one property of such a unit, systemd reads its files, tells everybody, and forgets it again: 90 files opened
    for each property. These two questions load each once. An alias is listed by another name, and asked about in full.
    """
    services = [unit for unit in units if unit.endswith(".service")]
    questions = (
        new_method_call(MANAGER, "ListUnitsByPatterns", "asas", ([], services)),
        new_method_call(MANAGER, "ListUnitsByNames", "as", (services,)),
    )
    loaded, every = _answers(line, questions, deadline) if services else (None, None)
    if not loaded or not every or {_kind(loaded), _kind(every)} != {MessageType.method_return}:
        return {}
    known = {words[0] for words in loaded.body[0]}
    fresh = (words for words in every.body[0] if words[LISTED["ActiveState"]] == "inactive" and not words[LISTED["Job"]])
    return {words[0]: words for words in fresh if words[0] in services and words[0] not in known}


def _kind(message: Message) -> MessageType:
    return message.header.message_type


def _of_fresh(words: Sequence[object], names: Sequence[str]) -> Iterator[str]:
    for name in names:
        yield f"{name}={FRESH[name] if name in FRESH else words[LISTED[name]]}\n"


def _shown(line: socket.socket, unit: str, names: Sequence[str], deadline: float) -> Iterator[str]:
    """Ask for all properties of one unit at once, and print those it has. Raises LookupError where one is refused."""
    for name, answer in zip(names, _answers(line, [_question(unit, name) for name in names], deadline), strict=True):
        if _kind(answer) is MessageType.method_return:
            yield f"{name}={_printed(answer.body[0][1])}\n"
        elif name not in OF_ITS_TYPE or answer.header.fields.get(HeaderFields.error_name) not in HAS_NONE:
            raise LookupError(f"{unit} {name}")


def _question(unit: str, name: str) -> Message:
    kind = unit.rpartition(".")[2].capitalize() if name in OF_ITS_TYPE else "Unit"
    return Properties(DBusAddress(_path(unit), NAME, f"{NAME}.{kind}")).get(name)


def _answers(line: socket.socket, questions: Sequence[Message], deadline: float) -> list[Message]:
    """Ask, and receive the answers in the order of the questions.

    Everybody here gets every signal, hundreds where a unit is looked at that is not loaded: to parse those takes 15 ms.
    """
    line.sendall(_filled(b"".join(question.serialise(serial) for serial, question in enumerate(questions, 1))))
    data, answers = b"", dict[int, Message]()
    while not all(serial in answers for serial in range(1, len(questions) + 1)):
        data += _received(line, deadline)
        while len(data) >= HEAD_BYTES and len(data) >= (size := _size(data)):
            for message in Parser().feed(data[:size]) if data[1] != MessageType.signal.value else ():
                answers[message.header.fields[HeaderFields.reply_serial]] = message
            data = data[size:]
    return [answers[serial] for serial in range(1, len(questions) + 1)]


def _filled(data: bytes) -> bytes:
    """Ask more than systemd (252) reads together with the BEGIN: that little it keeps until more comes, which may be never."""
    filling: bytes = PING.serialise(FILLER)
    return data + filling * max(0, -((len(data) - READ_WITH_BEGIN_BYTES) // len(filling)))


def _size(data: bytes) -> int:
    """Read how long a message is: its head, its fields filled up to eight bytes, its body (D-Bus specification)."""
    order = ORDERS[data[0]]
    fields, body = int.from_bytes(data[12:16], order), int.from_bytes(data[4:8], order)
    return HEAD_BYTES + (fields + 7) // 8 * 8 + body


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
