"""nvkeep's `multipath: true` on a map with two real ways: told, taken, refused, seized, fenced, and unknown without a way."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from lab.vm.multipath import MAP, Multipath
from lab.vm.wires import SERVICE
from tests.machines.golden import said
from tests.machines.nvme import write

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab.vm.farm import Farm
    from lab.vm.machine import Machine
    from tests.machines.scsi import Lun

FILE = "/etc/nvkeep/cluster.yaml"
KEYS = ("mpathpersist", "--in", "--read-keys", MAP)
RESERVE = ("mpathpersist", "--out", "--reserve", "--param-rk=0x1", "--prout-type=5", MAP)
REGISTER = ("mpathpersist", "--out", "--register-ignore", "--param-sark=0x1", MAP)
UNREGISTER = ("mpathpersist", "--out", "--register-ignore", "--param-sark=0x0", MAP)
CONFLICT = 11


@pytest.fixture
def ways(farm: Farm, lun: Lun) -> Iterator[Multipath]:
    assert lun.device
    made = Multipath(farm)
    members = "".join(f"  {host.name}: {{heartbeats: [{{interface: eth0, address: {SERVICE.address(host.host)}}}]}}\n"
                      for host in farm.hosts)  # fmt: skip
    volume = f"{{name: map, backend: scsi, multipath: true, disk: {MAP}}}"
    for host in farm.hosts:
        made.make(host)
        host.write(FILE, f"cluster: lab\nhosts:\n{members}services:\n  map: {{hosts: [srv-a, srv-b], volumes: [{volume}]}}\n")
    yield made
    for host in farm.hosts:
        host.run(("sh", "-c", "rm -rf /etc/nvkeep/*.yaml /var/lib/nvkeep/loss"))
    with ThreadPoolExecutor() as pool:
        list(pool.map(made.remove, farm.hosts))


def apply(host: Machine, role: str) -> str:
    host.run(("nvkeep", "role", "map", "--set", role), timeout=60)
    done = host.run(("nvkeep", "apply"), check=False, timeout=120)
    report: dict[str, Any] = json.loads(host.read("/run/nvkeep/report/map"))
    return f"{report['did']} {done.returncode}"


def holder(host: Machine) -> str:
    found: list[dict[str, str]] = json.loads(host.run(("nvkeep", "status", "--json"), check=False, timeout=60).stdout)
    return found[0]["holder"]


def test_a_map_with_two_ways_is_told_taken_refused_and_seized(farm: Farm, ways: Multipath) -> None:
    a, b = farm.hosts
    said("scsi/mpath-read-keys-free", a, KEYS)
    assert holder(a) == "nobody"
    assert apply(a, "MASTER") == "acquire 0"
    assert said("scsi/mpath-read-keys-held", b, KEYS).stdout.count("0x") == 3  # the generation, and a key for each way
    assert holder(b) == "another host (srv-a)"
    b.run(REGISTER)
    assert said("scsi/mpath-reserve-refused", b, RESERVE).returncode == CONFLICT
    b.run(UNREGISTER)
    ways.fail(a, ways.ways(a)[0])
    assert (holder(a), write(a, MAP).returncode) == ("this host", 0)
    a.freeze()
    apply(b, "BACKUP")
    b.run(("sleep", "2"))  # as BACKUP for so long a host that never made a pass has heard the other
    apply(b, "BACKUP")
    assert apply(b, "MASTER") == "seize 0"
    a.thaw()
    assert write(a, MAP).returncode
    assert write(b, MAP).returncode == 0
    assert apply(a, "MASTER").startswith("isolate")
    ways.fail(b, *ways.ways(b))
    assert holder(b) == "unknown"
