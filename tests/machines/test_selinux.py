"""SELinux enforcing, and a policy that confines keepalived: the printed fix lets the host take over, also after a boot."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lab.commands import LabError, until
from lab.vm.machine import PLAIN
from lab.vm.nvme import NGUID
from lab.vm.wires import SERVICE
from nvkeep.keepalived.install.checks import LABEL
from tests.machines.conftest import tidy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab.vm.farm import Farm
    from lab.vm.machine import Machine
    from tests.machines.nvme import Namespace

CONFINED = Path(__file__).with_name("confined.cil")
SELINUX = "security=selinux audit=1"
DISK = f"/dev/disk/by-id/nvme-uuid.{NGUID}"
UNITS = ("nvkeep.service", "nvkeep-reconcile.timer", "nvkeep-shutdown.service", "keepalived.service")
WRITER = "/etc/systemd/system/writer.service"
WRITES = "[Service]\nExecStart=/bin/sh -c 'while :; do uptime >> /srv/nvme/log; sync /srv/nvme/log; sleep 1; done'\n"
YAML = f"""\
cluster: lab
hosts:
  srv-a: {{heartbeats: [{{interface: eth0, address: {SERVICE.address(1)}}}]}}
  srv-b: {{heartbeats: [{{interface: eth0, address: {SERVICE.address(2)}}}]}}
timing: {{advert: 1}}
services:
  nvme:
    hosts: [srv-a, srv-b]
    volumes: [{{name: nvme, backend: nvme, namespace: {DISK}}}]
    mounts: [{{volume: nvme, path: /srv/nvme, fstype: ext4}}]
    addresses: [{{address: 10.87.0.51/24, interface: eth0}}]
    units: [writer.service]
"""
LEFT = f"/etc/nvkeep/cluster.yaml /etc/keepalived/*.conf /var/lib/nvkeep/* {WRITER}"


def confine(host: Machine) -> None:
    """Label a host as Debian does it, by a boot for that alone; boot it enforcing."""
    host.write("/root/confined.cil", CONFINED.read_text())
    host.run(("semodule", "--noreload", "--install=/root/confined.cil"), timeout=240)
    host.run(("touch", "/.autorelabel"))
    reboot(host, f"{SELINUX} enforcing=0", up=False)
    until(lambda: not host.alive, within=600, what=f"{host.name} is labelled", every=0.5)
    reboot(host, f"{SELINUX} enforcing=1")


def reboot(host: Machine, security: str, *, up: bool = True) -> None:
    """Cut the power once all is written, and switch it on with other words for the kernel."""
    with suppress(LabError):  # it is off already
        host.run(("sync",))
    host.power_cut()
    host.security = security
    host.start()
    if up:
        host.wait_up()


@pytest.fixture
def pair(farm: Farm, namespace: Namespace) -> Iterator[Farm]:
    """Give srv-a, which serves, and srv-b, which enforces; nvkeep and keepalived run on both."""
    confine(farm.b)
    farm.a.run(("mkfs.ext4", "-q", "-F", namespace.device))
    for host in farm.hosts:
        farm.nvme.connect(host)
        host.write("/etc/nvkeep/cluster.yaml", YAML, 0o600)
        host.write(WRITER, WRITES)
        host.run(("systemctl", "daemon-reload"))
        host.run(("nvkeep", "keepalived", "--install"), timeout=60)
        host.run(("systemctl", "enable", "--now", *UNITS), timeout=90)
        until(lambda: serves(farm.a), within=90, what="srv-a serves")
    yield farm
    for host in farm.hosts:
        if not host.alive:
            host.boot()
        host.run(("sh", "-c", f"systemctl disable {' '.join(UNITS)}; rm -rf {LEFT}"), timeout=60)
        reboot(host, PLAIN)
        tidy(host)


def serves(host: Machine) -> bool:
    return "[OK] SERVICE: writer.service" in status(host)


def status(host: Machine) -> str:
    return host.run(("nvkeep", "status", "--local"), check=False, timeout=60).stdout


def role(host: Machine) -> str:
    return host.run(("nvkeep", "role"), check=False, timeout=60).stdout


def wait_role(host: Machine, word: str) -> None:
    until(lambda: f"nvme: {word}" in role(host), within=90, what=f"{host.name} is not {word}", every=0.5)


def findings(host: Machine) -> str:
    """Give what `nvkeep check --host` finds, of keepalived."""
    done = host.run(("nvkeep", "check", "--host"), check=False, timeout=60)
    return next(line for line in done.stdout.splitlines() if "] KEEPALIVED" in line)


def label(host: Machine, path: str) -> str:
    return host.run(("stat", "--format=%C", path), check=False).stdout.strip()


def assert_enforcing(host: Machine) -> None:
    assert host.read("/sys/fs/selinux/enforce") == "1"
    pid = host.read("/run/keepalived.pid").strip()
    assert "keepalived_t" in host.read(f"/proc/{pid}/attr/current")


def test_the_printed_fix_lets_a_confined_keepalived_take_over(pair: Farm) -> None:
    a, b = pair.a, pair.b
    assert_enforcing(b)
    wait_role(b, "FAULT")
    until(lambda: "keepalived is in FAULT here although the flag is 1" in status(b), within=60, what="status does not say so")
    assert (
        f"SELinux keeps keepalived from /run/nvkeep/vrrp.fifo, which is labelled system_u:object_r:var_run_t:s0; {LABEL}"
        in (findings(b))
    )
    b.run(("sh", "-c", LABEL), timeout=240)
    wait_role(b, "BACKUP")
    assert "[OK]" in findings(b)
    assert "FAULT" not in status(b)

    b.run(("rm", "-r", "/run/nvkeep/vrrp.fifo", "/run/nvkeep/eligible"))  # nvkeep makes them, with their labels
    for path in ("/run/nvkeep/vrrp.fifo", "/run/nvkeep/eligible/nvme"):
        until(lambda path=path: "keepalived_var_run_t" in label(b, path), within=60, what=f"{path} has no label")  # type: ignore[misc]

    reboot(b, b.security)  # systemd-tmpfiles makes them, with their labels
    pair.nvme.connect(b)
    wait_role(b, "BACKUP")
    assert_enforcing(b)
    assert "[OK]" in findings(b)

    a.power_cut()
    until(lambda: serves(b), within=90, what="srv-b does not serve")
    assert_enforcing(b)
    rows = b.read("/srv/nvme/log").count("\n")
    until(lambda: b.read("/srv/nvme/log").count("\n") > rows, within=30, what="nothing is written")
