"""A cluster.yaml with comments, from answers. Pure."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

PLAIN = re.compile(r"[A-Za-z0-9_./][A-Za-z0-9_./@-]*")
WORDS = re.compile(
    r"(?i)true|false|yes|no|on|off|null|y|n|\.inf|\.nan|[-+.0-9eExXoO_a-fA-F]+"
)  # read as something else than text
HEAD = """\
# {path} - the same file on every host. Made by `nvkeep setup`.
# Every key and its default: `nvkeep show`. Is it right? `nvkeep check`. After a change: `nvkeep setup`, on any host.
cluster: {cluster}

hosts: # names as in `hostname -s`; one heartbeat is enough, one more over another network is better
"""
TIMING = """
timing:
  advert: 0.2 # seconds between heartbeats; a dead host is noticed after four of them
  reconcile: 10 # seconds between two looks at everything

services:
"""
SERVICE = """\
  {name}:
    hosts: [{hosts}] # who may run it, preferred first
    volumes: # held by one host at a time
      - {volume}
"""
LAST = """\
    # ping: [192.168.0.254] # what has to answer before this host takes anything; default: the default gateway
    # failback: manual      # it moves back when you say so: nvkeep move {name}
"""


def written(document: Mapping[str, Any], path: str) -> str:
    """Write a document as people like to find it."""
    head = HEAD.format(path=path, cluster=scalar(document["cluster"]))
    hosts = "".join(_host(name, member) for name, member in document["hosts"].items())
    return head + hosts + TIMING + "".join("".join(_service(*service)) for service in document["services"].items())


def _host(name: str, member: Mapping[str, Any]) -> str:
    beats = "".join(f"      - {flow(beat)}\n" for beat in member["heartbeats"])
    return f"  {scalar(name)}:\n    heartbeats:\n{beats}"


def _service(name: str, service: Mapping[str, Any]) -> Iterator[str]:
    hosts, volume = ", ".join(map(scalar, service["hosts"])), service["volumes"][0]
    yield SERVICE.format(name=scalar(name), hosts=hosts, volume=flow({"name": volume["name"], **volume}))
    for key in ("mounts", "addresses"):
        if key in service:
            yield f"    {key}:\n" + "".join(f"      - {flow(item)}\n" for item in service[key])
    if "units" in service:
        yield f"    units: {flow(service['units'])} # what nvkeep starts must not start at boot: systemctl disable\n"
    if "health" in service:
        yield f"    health: {flow(service['health'])} # asked through the floating address before a host is taken from\n"
    yield LAST.format(name=name)


def flow(value: Any) -> str:  # noqa: ANN401 - any YAML value
    """Write a value on one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return f"[{', '.join(map(flow, value))}]"
    return str(value) if isinstance(value, int) else scalar(str(value))


def scalar(text: str) -> str:
    """Write a text, in quotes where it would be read as something else."""
    return text if PLAIN.fullmatch(text) and not WORDS.fullmatch(text) else json.dumps(text)
