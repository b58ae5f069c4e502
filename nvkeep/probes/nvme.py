"""The reservation of an NVMe namespace: `nvme resv-report --eds`, as in NVM Express 1.4, section 6.13.

nvme-cli 1 (Ubuntu 22.04, EL 8) asks for the same by --cdw11=1. Some builds of it cut keys to 32 bits in their JSON, so what it
prints for people is read, which has all of a key in every build.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from nvkeep.errors import NvkeepError, ProbeError
from nvkeep.host import Completed, Host, first, load

ONE_HOLDER = (1, 2, 3, 4)  # types of which one registrant holds the reservation; of 5 and 6 all do
HOLDS = 0x1  # the bit of rcsts that says: this registrant holds the reservation
NEW, OLD = ("--eds", "--output-format=json"), ("--cdw11=1",)
UNKNOWN = "unrecognized option"  # getopt_long(3)
REPORTED = r"(?m)^(rtype|regctl)[ ]*:[ ](\d+)$"
REGISTRANT = r"^regctlext\[\d+\] :\n  cntlid +: [0-9a-f]+\n  rcsts +: ([0-9a-f]+)\n  rkey +: ([0-9a-f]+)\n"


class Entry(NamedTuple):
    """Who holds (a registration key; 0 = nobody), by which type, and who else is registered."""

    holder: int
    kind: int
    keys: frozenset[int]


def read(host: Host, device: str) -> Entry:
    """Ask the namespace. Raises ProbeError."""
    done = _asked(host, device, NEW)
    old = done.code != 0 and UNKNOWN in done.err
    if old:
        done = _asked(host, device, OLD)
    if done.code:
        raise ProbeError(f"`{' '.join(done.argv)}` ended with {done.code}: {first(done.err)}")
    return parse_text(done.out) if old else parse(done.out)


def _asked(host: Host, device: str, options: tuple[str, ...]) -> Completed:
    try:
        return host.run(("nvme", "resv-report", device, *options), 5.0)
    except NvkeepError as error:
        raise ProbeError(str(error)) from error


def parse(text: str) -> Entry:
    """Parse the JSON. What contradicts itself, or is cut at one page, is no answer. Raises ProbeError."""
    try:
        report = load(text)
        registrants = report["regctlext"] if "regctlext" in report else report["regctl_eds"]
        return _entry(report, [(int(registrant["rkey"]), int(registrant["rcsts"])) for registrant in registrants])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ProbeError(f"nvme resv-report printed something unexpected: {error}") from error


def parse_text(text: str) -> Entry:
    """Parse what nvme-cli 1 prints for people. Raises ProbeError."""
    registrants = ((int(key, 16), int(status, 16)) for status, key in re.findall(REGISTRANT, text, re.MULTILINE))
    try:
        return _entry(dict(re.findall(REPORTED, text)), registrants)
    except KeyError as error:
        raise ProbeError(f"nvme resv-report printed something unexpected: no {error}") from error


def _entry(report: Mapping[str, Any], registrants: Iterable[tuple[int, int]]) -> Entry:
    """Judge a report and its registrants (key and status). Raises ProbeError, ValueError, KeyError."""
    found = list(registrants)
    holders = [key for key, status in found if status & HOLDS]
    kind, count = int(report["rtype"]), int(report["regctl"])
    if count != len(found):
        raise ProbeError(f"nvme resv-report lists {len(found)} of {count} registrants")
    if bool(kind) != bool(holders) or (kind in ONE_HOLDER and len(holders) > 1):
        raise ProbeError(f"nvme resv-report names {len(holders)} holders of a reservation of type {kind}")
    return Entry(holders[0] if holders else 0, kind, frozenset(key for key, _ in found))
