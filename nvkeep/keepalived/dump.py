"""What keepalived writes when it is asked, as roles. Pure; ValueError means: read again, it was not whole yet."""

import re
from collections.abc import Iterable

from nvkeep.host import load

Words = tuple[tuple[str, str], ...]
STATES = {0: "INIT", 1: "BACKUP", 2: "MASTER", 3: "FAULT"}
TOPOLOGY = "------< VRRP Topology >------"
INSTANCE = r"(?ms)^ VRRP Instance = (\S+)$(.*?)(?=^ VRRP Instance = |\Z)"
STATE = r"(?m)^   State = (\w+)$"


def parse(text: str) -> Words:
    """Read keepalived.json; `json_version 2` (2.3) puts the list under a key. Raises ValueError while it is not complete."""
    answer = load(text)
    try:
        listed = answer["vrrp"] if isinstance(answer, dict) else answer
        data: Iterable[dict[str, object]] = [instance["data"] for instance in listed]
        return tuple((str(instance["iname"]), STATES.get(int(str(instance["state"])), "UNKNOWN")) for instance in data)
    except (TypeError, KeyError) as error:
        raise ValueError(f"keepalived.json has an unexpected shape: {error}") from error


def received(text: str) -> tuple[tuple[str, int], ...]:
    """Read how many adverts every instance has received; empty where keepalived does not say."""
    try:
        answer = load(text)
        listed = answer["vrrp"] if isinstance(answer, dict) else answer
        return tuple((str(row["data"]["iname"]), int(row["stats"]["advert_rcvd"])) for row in listed)
    except (ValueError, TypeError, KeyError):
        return ()


def parse_text(text: str) -> Words:
    """Read keepalived.data. Interfaces have a state too, and come last. Raises ValueError when there is no topology."""
    _, topology, rest = text.partition(TOPOLOGY)
    if not topology:
        raise ValueError("keepalived.data has no topology of VRRP")
    return tuple((name, _word(name, body)) for name, body in re.findall(INSTANCE, rest))


def _word(name: str, body: str) -> str:
    state = re.search(STATE, body)
    if not state:
        raise ValueError(f"keepalived.data gives {name} no state")
    return state[1] if state[1] in STATES.values() else STATES.get(int(state[1]) if state[1].isdigit() else -1, "UNKNOWN")
