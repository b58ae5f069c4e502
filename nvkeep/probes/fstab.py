"""Who else would mount something at a place: /etc/fstab, and systemd's own mount units. Reads files only."""

import re
from collections.abc import Iterator
from posixpath import normpath

from nvkeep.errors import ProbeError
from nvkeep.host import Host, lines
from nvkeep.host.files import BYTES
from nvkeep.probes.mountinfo import plain

TABLE = "/etc/fstab"
TAGS = {"UUID": "by-uuid", "LABEL": "by-label", "PARTUUID": "by-partuuid", "PARTLABEL": "by-partlabel", "ID": "by-id"}
PLAIN = r"[^A-Za-z0-9#+.:=@_-]"  # what udev writes as its bytes in the name of a link
UNITS = ("/etc/systemd/system", "/run/systemd/system", "/usr/lib/systemd/system")
PULLS = (".wants", ".requires")
FIELDS = 2  # device and place; the rest may be left out


def line_for(host: Host, path: str, device: str) -> int:
    """Give the number of the line of /etc/fstab that has a place or a device, 0 when none has. Raises ProbeError."""
    try:
        text = host.read(TABLE)
    except FileNotFoundError:
        return 0
    except OSError as error:
        raise ProbeError(f"{TABLE}: {error.strerror}") from error
    number = host.device_number(device)
    for row, source, place in parse(text):
        if place == path or source == device or (number and host.device_number(node(source)) == number):
            return row
    return 0


def node(source: str) -> str:
    """Give the device node of what fstab(5) names: UUID=, LABEL= and the like are links that udev makes."""
    tag, equals, value = source.partition("=")
    if not equals or tag not in TAGS:
        return source
    return f"/dev/disk/{TAGS[tag]}/{re.sub(PLAIN, _bytes, value)}"


def _bytes(match: re.Match[str]) -> str:
    return "".join(f"\\x{byte:02x}" for byte in match[0].encode(errors=BYTES))


def parse(text: str) -> Iterator[tuple[int, str, str]]:
    """Yield the number, the device and the place of every line that has both, each as mount(8) understands it."""
    for number, line in enumerate(lines(text), 1):
        fields = line.split()
        if len(fields) >= FIELDS and not fields[0].startswith("#"):
            yield number, plain(fields[0]).replace('"', ""), f"/{normpath(plain(fields[1])).lstrip('/')}"


def unit_for(host: Host, path: str) -> str:
    """Name the enabled mount or automount unit of a place, empty when there is none. Raises ProbeError."""
    names = [f"{escaped(path)}.{kind}" for kind in ("mount", "automount")]
    try:
        pulls = [f"{top}/{name}" for top in UNITS for name in host.names(top) if name.endswith(PULLS)]
    except OSError as error:
        raise ProbeError(f"{error.filename}: {error.strerror}") from error
    return next((name for pull in pulls for name in names if host.exists(f"{pull}/{name}")), "")


def escaped(path: str) -> str:
    """Write a path as systemd.unit(5) does in the name of a unit."""
    inner = path.strip("/")
    return "".join(_escaped(char, first=not index) for index, char in enumerate(inner)) or "-"


def _escaped(char: str, *, first: bool) -> str:
    if char == "/":
        return "-"
    if (char.isascii() and char.isalnum()) or char in ":_" or (char == "." and not first):
        return char
    return "".join(f"\\x{byte:02x}" for byte in char.encode())
