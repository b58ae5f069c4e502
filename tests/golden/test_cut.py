"""A DRBD volume whose I/O waits is released: what is run, in which order, and what is not run when a step fails."""

import pytest

from nvkeep.config import parsing
from nvkeep.core.engine import Engine
from nvkeep.core.plan import make_plan, survey
from nvkeep.host import Completed
from nvkeep.model.plan import Want
from nvkeep.model.report import SETTLED
from nvkeep.reconcilers import resources
from tests.golden.output import captured

TEXT = """\
cluster: pair
hosts:
  srv-a: {heartbeats: [{interface: eth0, address: 10.0.0.1}]}
  srv-b: {heartbeats: [{interface: eth0, address: 10.0.0.2}]}
timing: {step: 2}
services:
  db:
    hosts: [srv-a, srv-b]
    volumes: [{name: one, backend: drbd, resource: r0}]
    mounts: [{volume: one, path: /srv/db, fstype: ext4}]
"""
EVERY = resources(parsing.parse(TEXT), "db", "srv-a")
ROOT = "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
MOUNTED = "40 1 147:0 / /srv/db rw - ext4 /dev/drbd0 rw\n"
DETACH, RESUME, UMOUNT = "drbdadm detach --force r0", "drbdadm resume-io r0", "nvkeep umount /srv/db"


class Suspended:
    """srv-a, Primary with I/O that waits; its file system is unmounted only once nothing waits any more."""

    name = "srv-a"

    def __init__(self, refused: str) -> None:
        self.refused = refused
        self.ran: list[str] = []
        self.time = 0.0

    def run(self, argv: tuple[str, ...], timeout: float = 0.0) -> Completed:
        if argv[0] == "drbdsetup":
            return captured("drbd", "events-secondary" if "drbdadm secondary r0" in self.done else "events-primary-suspended")
        self.ran.append(UMOUNT if argv[:3] == ("nvkeep", "umount", "/srv/db") else " ".join(argv))
        self.time += timeout if self.ran[-1] == UMOUNT and not self.unmounted else 0.0
        return Completed(argv, int(self.ran[-1] == self.refused), "", "")

    @property
    def done(self) -> list[str]:
        return [one for one in self.ran if one != self.refused]

    @property
    def unmounted(self) -> bool:
        return UMOUNT in self.done and {DETACH, RESUME} <= set(self.done)

    def read(self, path: str) -> str:
        if path.startswith("/sys/fs/"):
            raise FileNotFoundError(2, "No such file or directory", path)
        assert path == "/proc/self/mountinfo"
        return ROOT if self.unmounted else ROOT + MOUNTED

    def device_number(self, path: str) -> str:
        assert path == "/dev/drbd/by-res/r0/0"
        return "147:0"

    def link_target(self, path: str) -> str:
        assert path == "/sys/dev/block/147:0"
        return "../../devices/virtual/block/drbd0"

    def names(self, path: str) -> list[str]:
        assert path in ("/sys/fs", "/sys/fs/btrfs")
        return ["ext4", "xfs"] if path == "/sys/fs" else []

    def exists(self, path: str) -> bool:
        return path == "/sys/fs/ext4/drbd0" and not self.unmounted

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds


def isolated(refused: str) -> tuple[list[str], bool]:
    host = Suspended(refused)
    plan = make_plan(EVERY, survey(host, EVERY), Want.ISOLATED)  # type: ignore[arg-type]  # as much of a Host as is asked
    outcomes = Engine(host, "db", 2.0).run(EVERY, plan)  # type: ignore[arg-type]  # as above
    return host.ran, all(one.word in SETTLED for one in outcomes)


def test_the_copy_is_given_up_then_what_waits_is_release_then_nothing_hangs() -> None:
    assert isolated("") == ([DETACH, RESUME, UMOUNT, "drbdadm secondary r0"], True)


def test_what_waits_is_never_written_to_a_copy_that_could_not_be_given_up() -> None:
    ran, settled = isolated(DETACH)
    assert (RESUME in ran, settled) == (False, False)
    assert UMOUNT in ran


@pytest.mark.parametrize("refused", [DETACH, RESUME])
def test_a_mount_that_hangs_keeps_its_volume(refused: str) -> None:
    ran, settled = isolated(refused)
    assert ("drbdadm secondary r0" in ran, settled) == (False, False)
