"""What a host lacks, what setting up brings, and what it leaves to people: that is shown and keeps nobody from it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from nvkeep.host import Completed
from nvkeep.keepalived.answers import ask
from nvkeep.keepalived.names import CHILD_PID, PARENT_PID, PRIVATE, every_instance
from nvkeep.keepalived.written import SHARED
from nvkeep.setup import table
from nvkeep.setup.member import Look
from nvkeep.setup.survey import Survey, survey
from tests.unit.setup.test_killed import CLUSTER, NAME, ORDER, Machine, answering, furnish, whole

__all__ = ["answering"]  # a fixture that is used by itself
PARENT, CHILD = 4711, 4712
BRINGS = "systemctl daemon-reload && systemctl restart keepalived"


class Running(Machine):
    """A host that could serve, where a keepalived runs and answers in its TMPDIR, which the drop-in sets."""

    def __init__(self, root: Path, directory: str) -> None:
        super().__init__(root)
        self.directory = directory

    def run(self, argv: Sequence[str], timeout: float = 10.0) -> Completed:
        said = {("keepalived", "--signum=JSON"): "36\n", ("stat", "-c", "%u %F"): "0 regular file\n"}
        for words, out in said.items():
            if tuple(argv[: len(words)]) == words:
                return Completed(tuple(argv), 0, out, "")
        return super().run(argv, timeout)

    def signal(self, pid: int, number: int, started: str = "") -> None:  # noqa: ARG002 - as of a Host
        assert (pid, number) == (PARENT, 36)
        roles = [{"data": {"iname": name, "state": 1}} for name in every_instance(CLUSTER, NAME)]
        self.write(f"{self.directory}/keepalived.json", json.dumps(roles))


def running(root: Path, directory: str) -> Running:
    """Give a host that is set up, with all that its services need, and a keepalived that writes into a directory."""
    host = Running(root, directory)
    furnish(host, {f"/usr/{path}": "" for path in ("bin/nvmesh_attach_volumes", "sbin/losetup")})
    variables = "" if directory == SHARED else f"TMPDIR={directory}\0"
    files = {
        "/proc/nvmeibc/status": "module state=1 Ready\n", "/shared/db.img": "",
        PARENT_PID: f"{PARENT}\n", CHILD_PID: f"{CHILD}\n",
        f"/proc/{PARENT}/comm": "keepalived\n", f"/proc/{PARENT}/environ": f"PATH=/bin\0{variables}",
        f"/proc/{CHILD}/stat": f"{CHILD} (keepalived) S {PARENT}" + " 0" * 30,
        "/proc/self/mountinfo": "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n", "/proc/filesystems": "\txfs\n\text4\n",
        "/proc/1/stat": "1 (systemd) S 0" + " 0" * 30, "/proc/sys/kernel/random/boot_id": "a-boot\n",
    }  # fmt: skip
    for path, text in files.items():
        host.write(path, text)
    host.lives = 10_000
    whole(host)
    assert dict(ask(host).words).keys() == set(every_instance(CLUSTER, NAME))  # what does not run lacks no drop-in
    return host


def test_a_keepalived_that_runs_without_the_drop_in_is_told_again_and_again(tmp_path: Path) -> None:
    """Setting up does not restart it: `nvkeep check --host` says NOT OK, and setup must not say nothing."""
    host = running(tmp_path, SHARED)
    found = survey(host, ORDER, NAME)
    assert (found.unmet, found.changes) == ((), ())
    assert [(one.what, one.fix) for one in found.warnings] == [("KEEPALIVED", BRINGS)]
    assert survey(host, ORDER, NAME).warnings == found.warnings
    assert Survey.parse(json.loads(found.dump())) == found
    drawn = table.lacking([Look(NAME, found, found.unmet)], NAME)
    assert "KEEPALIVED (only a warning): keepalived writes" in drawn
    assert BRINGS in drawn


def test_one_that_runs_with_it_is_no_word_worth(tmp_path: Path) -> None:
    found = survey(running(tmp_path, PRIVATE), ORDER, NAME)
    assert (found.unmet, found.changes, found.warnings) == ((), (), ())
    assert table.lacking([Look(NAME, found, found.unmet)], NAME) == ""
