"""The clock of a host is wrong: setup says so, and the printed command sets it right. The machines have clocks of their own."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from lab.commands import until
from lab.network import GATEWAY
from lab.places import REPOSITORY
from lab.vm import wires
from lab.vm.wires import SERVICE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab.vm.farm import Farm

YAML = f"""\
cluster: lab
hosts:
  srv-a: {{heartbeats: [{{interface: eth0, address: {SERVICE.address(1)}}}]}}
  srv-b: {{heartbeats: [{{interface: eth0, address: {SERVICE.address(2)}}}]}}
services:
  files:
    hosts: [srv-a, srv-b]
    volumes: [{{name: files, backend: drbd, resource: mirror}}]
    mounts: [{{volume: files, path: /srv/files, fstype: ext4}}]
"""
WRONG = re.compile(r"it is \d+ s (ahead of|behind) that of srv-")
FIX = "timedatectl set-ntp true"
TIME = f"[Time]\nNTP={SERVICE.address(GATEWAY)}\n"


@pytest.fixture
def pair(farm: Farm) -> Iterator[Farm]:
    """Give two hosts that reach each other by ssh, and a time server in their network.

    Their clocks are right to begin with: one of a machine that was emulated for minutes beside a busy neighbour may not be.
    """
    key = " ".join(farm.b.read("/etc/ssh/ssh_host_ed25519_key.pub").split()[:2])
    for host in farm.hosts:
        host.write("/etc/nvkeep/cluster.yaml", YAML, 0o600)
        host.write("/root/.ssh/known_hosts", f"srv-a {key}\nsrv-b {key}\n", 0o600)
        host.write("/etc/systemd/timesyncd.conf.d/lab.conf", TIME)
        host.run(("systemctl", "unmask", "systemd-timesyncd.service"), timeout=60)
        host.run(("systemctl", "start", "ssh.service"), timeout=60)
        host.run(("date", "--set", f"@{time.time():.3f}"), timeout=60)
    with subprocess.Popen((*wires.enter(), sys.executable, "-m", "tests.machines.sntp"), cwd=REPOSITORY) as server:
        yield farm
        server.kill()
    for host in farm.hosts:
        host.run(("timedatectl", "set-ntp", "false"), timeout=60)
        host.run(("rm", "-f", "/etc/nvkeep/cluster.yaml"))


def looked(farm: Farm) -> str:
    """Give what a setup says that finds a volume missing, and so changes nothing."""
    done = farm.a.run(("nvkeep", "setup", "--yes"), timeout=180, check=False)
    assert "nothing was changed on any host" in done.stdout
    return done.stdout


@pytest.mark.parametrize("off", ["+90 seconds", "-90 seconds"])
def test_the_printed_command_sets_a_clock_right(pair: Farm, off: str) -> None:
    assert not WRONG.search(looked(pair))
    pair.b.run(("date", "--set", off))
    text = looked(pair)
    assert WRONG.search(text)
    assert FIX in text
    pair.b.run(tuple(FIX.split()), timeout=60)
    until(lambda: not WRONG.search(looked(pair)), within=120, what="the clock of srv-b is right", every=2)
