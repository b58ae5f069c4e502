"""The reservation of an NVMe namespace: `nvme resv-report --eds`, as in NVM Express 1.4, section 6.13."""

import json
from typing import NamedTuple

from nvkeep.errors import NvkeepError, ProbeError
from nvkeep.host import Host

HOLDS = 0x1  # the bit of rcsts that says: this registrant holds the reservation


class Entry(NamedTuple):
    """Who holds (a registration key; 0 = nobody), by which type, and who else is registered."""

    holder: int
    kind: int
    keys: frozenset[int]


def read(host: Host, device: str) -> Entry:
    """Ask the namespace. Raises ProbeError."""
    argv = ("nvme", "resv-report", device, "--eds", "--output-format=json")
    try:
        done = host.run(argv, 5.0)
    except NvkeepError as error:
        raise ProbeError(str(error)) from error
    if done.code:
        message = (done.err.strip().splitlines() or ["no message"])[0]
        raise ProbeError(f"`{' '.join(argv)}` ended with {done.code}: {message}")
    return parse(done.out)


def parse(text: str) -> Entry:
    """Parse the JSON. Raises ProbeError."""
    try:
        report = json.loads(text)
        registrants = report.get("regctlext", report.get("regctl_eds", []))
        holders = [int(registrant["rkey"]) for registrant in registrants if int(registrant["rcsts"]) & HOLDS]
        keys = frozenset(int(registrant["rkey"]) for registrant in registrants)
        return Entry(holders[0] if holders else 0, int(report["rtype"]), keys)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ProbeError(f"nvme resv-report printed something unexpected: {error}") from error
