"""What keepalived writes when it is asked. Pure: text in, (instance, word) out; ValueError means: read again."""

import json
import re
from collections.abc import Iterable

Words = tuple[tuple[str, str], ...]
STATES = {0: "INIT", 1: "BACKUP", 2: "MASTER", 3: "FAULT"}
TOPOLOGY = "------< VRRP Topology >------"
INSTANCE = re.compile(r"^ VRRP Instance = (\S+)$(.*?)(?=^ VRRP Instance = |\Z)", re.MULTILINE | re.DOTALL)
STATE = re.compile(r"^   State = (\w+)$", re.MULTILINE)


def parse(text: str) -> Words:
    """Read keepalived.json; `json_version 2` (2.3) puts the list under a key. Raises ValueError while it is not complete."""
    found = json.loads(text)
    try:
        listed = found["vrrp"] if isinstance(found, dict) else found
        data: Iterable[dict[str, object]] = [one["data"] for one in listed]
        return tuple((str(one["iname"]), STATES.get(int(str(one["state"])), "UNKNOWN")) for one in data)
    except (TypeError, KeyError) as error:
        raise ValueError(f"keepalived.json has another shape: {error}") from error


def parse_text(text: str) -> Words:
    """Read keepalived.data. Interfaces have a state too, and come last. Raises ValueError when there is no topology."""
    _, topology, rest = text.partition(TOPOLOGY)
    if not topology:
        raise ValueError("keepalived.data has no topology of VRRP")
    return tuple((name, _word(name, body)) for name, body in INSTANCE.findall(rest))


def _word(name: str, body: str) -> str:
    found = STATE.search(body)
    if not found:
        raise ValueError(f"keepalived.data gives {name} no state")
    return found[1] if found[1] in STATES.values() else STATES.get(int(found[1]) if found[1].isdigit() else -1, "UNKNOWN")
