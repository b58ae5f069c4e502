"""The reservation of an NVMe namespace: `nvme resv-report --eds`, as in NVM Express 1.4, section 6.13."""

from typing import NamedTuple

from nvkeep.errors import NvkeepError, ProbeError
from nvkeep.host import Host, first, load

ONE_HOLDER = (1, 2, 3, 4)  # types of which one registrant holds the reservation; of 5 and 6 all do
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
        raise ProbeError(f"`{' '.join(argv)}` ended with {done.code}: {first(done.err)}")
    return parse(done.out)


def parse(text: str) -> Entry:
    """Parse the JSON. What contradicts itself, or is cut at one page, is no answer. Raises ProbeError."""
    try:
        report = load(text)
        registrants = report["regctlext"] if "regctlext" in report else report["regctl_eds"]
        holders = [int(registrant["rkey"]) for registrant in registrants if int(registrant["rcsts"]) & HOLDS]
        keys = frozenset(int(registrant["rkey"]) for registrant in registrants)
        kind, count = int(report["rtype"]), int(report["regctl"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ProbeError(f"nvme resv-report printed something unexpected: {error}") from error
    if count != len(registrants):
        raise ProbeError(f"nvme resv-report lists {len(registrants)} of {count} registrants")
    if bool(kind) != bool(holders) or (kind in ONE_HOLDER and len(holders) > 1):
        raise ProbeError(f"nvme resv-report names {len(holders)} holders of a reservation of type {kind}")
    return Entry(holders[0] if holders else 0, kind, keys)
