"""DRBD 8.4 (kernel) with drbd-utils 9: what a backend may count on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lab.commands import until
from lab.vm.mirror import DEVICE, RESOURCE, Mirror
from lab.vm.wires import REPLICATION, SERVICE
from tests.machines.golden import said

if TYPE_CHECKING:
    from lab.vm.farm import Farm
    from lab.vm.machine import Machine

PRIMARY = ("drbdadm", "primary", RESOURCE)
FORCE = ("drbdadm", "primary", "--force", RESOURCE)
SECONDARY = ("drbdadm", "secondary", RESOURCE)
EVENTS = ("drbdsetup", "events2", "--now", RESOURCE)
STATUS = ("drbdsetup", "status", RESOURCE)
MANY = "Multiple primaries not allowed"
UNSEEN = "Refusing to be Primary while peer is not outdated"
CALLING = "connection:Connecting role:Unknown"  # the end of what it goes through when the other is gone
OPEN = "Device is held open by someone"


def test_one_primary_at_a_time(farm: Farm, mirror: Mirror) -> None:
    a, b = farm.a, farm.b
    said("drbd/version", a, ("drbdadm", "--version"))
    said("drbd/proc-secondary", a, ("cat", "/proc/drbd"))
    said("drbd/events-secondary", a, EVENTS)
    said("drbd/status-secondary", a, STATUS)
    assert said("drbd/status-json-unknown-option", a, (*STATUS, "--json")).returncode == 20
    assert said("drbd/primary", a, PRIMARY).returncode == 0
    assert said("drbd/primary-again", a, PRIMARY).returncode == 0
    said("drbd/events-primary-here", a, EVENTS)
    said("drbd/status-primary-here", a, STATUS)
    said("drbd/events-primary-there", b, EVENTS)
    said("drbd/status-primary-there", b, STATUS)
    refused = said("drbd/primary-refused", b, PRIMARY)
    assert (refused.returncode, MANY in refused.stderr) == (11, True)
    assert MANY in said("drbd/primary-force-refused", b, FORCE).stderr
    assert "Wrong medium type" in b.run(("head", "-c1", DEVICE), check=False).stderr
    assert "role:Primary" in mirror.state(a)


def test_secondary_is_refused_while_mounted_and_hands_over_after(farm: Farm, mirror: Mirror) -> None:
    a, b = farm.a, farm.b
    format_and_mount(farm)
    a.run(("sh", "-c", "echo one > /mnt/x"))
    refused = said("drbd/secondary-refused", a, SECONDARY)
    assert (refused.returncode, OPEN in refused.stderr) == (11, True)
    assert said("drbd/secondary-force-unknown-option", a, ("drbdsetup", "secondary", RESOURCE, "--force=yes")).returncode == 20
    a.run(("umount", "/mnt"))
    assert said("drbd/secondary", a, SECONDARY).returncode == 0
    assert said("drbd/secondary-again", a, SECONDARY).returncode == 0
    b.run(PRIMARY)
    b.run(("mount", DEVICE, "/mnt"))
    assert b.read("/mnt/x") == "one\n"
    b.run(("umount", "/mnt"))
    b.run(SECONDARY)
    assert "role:Primary" not in mirror.state(b)


def test_not_up_and_unknown(farm: Farm, mirror: Mirror) -> None:
    a, b = farm.a, farm.b
    mirror.down(a)
    mirror.wait(b, CALLING)
    said("drbd/events-not-up", a, EVENTS)
    said("drbd/status-not-up", a, STATUS)
    said("drbd/primary-not-up", a, PRIMARY)
    said("drbd/events-peer-down", b, EVENTS)
    said("drbd/status-peer-down", b, STATUS)
    a.run(("rmmod", "drbd"))
    said("drbd/events-no-module", a, EVENTS)
    a.run(("rmmod", "drbd"), check=False)
    said("drbd/proc-no-module", a, ("cat", "/proc/drbd"))
    said("drbd/primary-unknown-resource", a, ("drbdadm", "primary", "r9"))


def test_with_fencing_a_host_that_cannot_see_the_other_takes_only_by_force(farm: Farm, mirror: Mirror) -> None:
    mirror.down(farm.a)
    mirror.wait(farm.b, "role:Unknown")
    refused = said("drbd/primary-peer-down", farm.b, PRIMARY)
    assert (refused.returncode, UNSEEN in refused.stderr) == (11, True)
    assert said("drbd/primary-force-peer-down", farm.b, FORCE).returncode == 0


def test_a_split_link_with_fencing(farm: Farm, mirror: Mirror) -> None:
    a, b = farm.a, farm.b
    format_and_mount(farm)
    a.cut(REPLICATION)
    mirror.wait(b, CALLING)
    mirror.wait(a, CALLING)
    said("drbd/events-peer-gone", b, EVENTS)
    said("drbd/status-peer-gone", b, STATUS)
    said("drbd/events-primary-peer-gone", a, EVENTS)
    assert UNSEEN in said("drbd/primary-peer-gone", b, PRIMARY).stderr
    assert said("drbd/primary-force-peer-gone", b, FORCE).returncode == 0
    said("drbd/events-seized", b, EVENTS)
    b.run(("mount", DEVICE, "/mnt"))
    b.run(("sh", "-c", "echo new > /mnt/new && sync /mnt/new"))
    # What the old holder writes waits: its kernel does not know who goes on, and fencing says not to guess.
    a.run(("sh", "-c", "(echo late > /mnt/late; sync /mnt/late) >/dev/null 2>&1 & sleep 1"))
    assert "suspended:fencing" in said("drbd/events-primary-suspended", a, EVENTS).stdout
    a.heal(REPLICATION)
    mirror.wait_refused()
    said("drbd/events-standalone", a, EVENTS)
    said("drbd/events-peer-standalone", b, EVENTS)
    recover(farm, mirror)


def recover(farm: Farm, mirror: Mirror) -> None:
    """Bring the old holder back: end what waits, throw its data away, and copy the new holder's."""
    a, b = farm.a, farm.b
    assert said("drbd/resume-io", a, ("drbdadm", "resume-io", RESOURCE)).returncode == 0
    a.run(("umount", "/mnt"), timeout=60)
    a.run(SECONDARY)
    a.run(("drbdadm", "disconnect", RESOURCE), check=False)
    a.run(("drbdadm", "connect", "--discard-my-data", RESOURCE))
    b.run(("drbdadm", "connect", RESOURCE), check=False)
    mirror.wait(a, "replication:Established")
    mirror.wait(a, "disk:UpToDate")
    b.run(("umount", "/mnt"))
    b.run(SECONDARY)
    a.run(PRIMARY)
    a.run(("mount", DEVICE, "/mnt"))
    assert a.run(("ls", "/mnt")).stdout.split() == ["lost+found", "new"]
    a.run(("umount", "/mnt"))
    a.run(SECONDARY)


def test_a_split_link_without_fencing_lets_both_be_primary(farm: Farm) -> None:
    a, b, mirror = farm.a, farm.b, farm.mirror
    mirror.create(fencing="dont-care")
    a.run(PRIMARY)
    a.cut(REPLICATION)
    mirror.wait(b, "role:Unknown")
    assert b.run(PRIMARY, check=False).returncode == 0
    assert "suspended:no" in mirror.state(a)
    assert a.run(("dd", "if=/dev/zero", f"of={DEVICE}", "bs=4k", "count=1", "oflag=direct"), check=False).returncode == 0


CLUSTER = f"""\
cluster: lab
hosts:
  srv-a: {{heartbeats: [{{interface: eth0, address: {SERVICE.address(1)}}}]}}
  srv-b: {{heartbeats: [{{interface: eth0, address: {SERVICE.address(2)}}}]}}
services:
  mirrored: {{hosts: [srv-a, srv-b], volumes: [{{name: mirrored, backend: drbd, resource: {RESOURCE}}}]}}
"""


@pytest.mark.parametrize(("spoil", "why"), [("down", "is not up here; drbdadm up"), ("detach", "is Diskless")])
def test_the_command_that_nvkeep_prints_helps(farm: Farm, mirror: Mirror, spoil: str, why: str) -> None:
    host = farm.a
    host.write("/etc/nvkeep/cluster.yaml", CLUSTER)
    host.run(("drbdadm", spoil, RESOURCE))
    line = next(line for line in checked(host).split("\n") if why in line)
    command = line.rpartition("; ")[2]
    assert command in {f"drbdadm up {RESOURCE}", f"drbdadm attach {RESOURCE}"}
    host.run(("sh", "-c", command))
    until(lambda: why not in checked(host), within=60, what="it is still said", every=0.3)
    mirror.wait(host, "disk:UpToDate")
    host.run(("rm", "/etc/nvkeep/cluster.yaml"))


def checked(host: Machine) -> str:
    return host.run(("nvkeep", "check", "--host"), check=False, timeout=60).stdout


def format_and_mount(farm: Farm) -> None:
    farm.a.run(PRIMARY)
    farm.a.run(("mkfs.ext4", "-q", DEVICE))
    farm.a.run(("mount", DEVICE, "/mnt"))
    farm.a.run(("sync", "-f", "/mnt"))
