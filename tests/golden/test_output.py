"""What real nvme-cli, sg3-utils and drbd-utils printed, and what nvkeep reads in it."""

from typing import Any

import pytest

from nvkeep.errors import CommandError, Denied, ProbeError, StepError, Transient
from nvkeep.host import Completed
from nvkeep.model import keys
from nvkeep.model.decision import Holder
from nvkeep.probes import drbd, nvme, scsi
from nvkeep.probes.io import STILL_ASKED
from nvkeep.reconcilers.backends import base, register
from nvkeep.reconcilers.backends.base import Ask, Holding, Volume
from nvkeep.reconcilers.backends.drbd import DrbdVolume
from nvkeep.reconcilers.backends.nvme import NvmeVolume
from nvkeep.reconcilers.backends.scsi import ScsiVolume
from tests.golden.output import captured

BACKENDS = register()
KEYS = {"srv-a": 0xA, "srv-b": 0xB}
HOSTS = tuple(KEYS)


class Played:
    """A host on which every command answers what was captured; the last answer stays."""

    name = "srv-a"

    def __init__(self, tool: str, *situations: str) -> None:
        self.answers = [captured(tool, situation) for situation in situations]

    def run(self, _argv: object, _timeout: float = 0.0) -> Completed:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    def device_number(self, _path: str) -> str:
        return "8:0"

    def names(self, _directory: str) -> list[str]:
        return []

    def read(self, _path: str) -> str:
        return "running\n"


@pytest.fixture
def short_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the hosts have the keys with which the output was captured."""
    monkeypatch.setattr(keys, "key_of", lambda _cluster, host: KEYS[host])
    monkeypatch.setattr(base, "key_of", keys.key_of)


def asking(spec: Any, host: str = "srv-a") -> Ask[Any]:  # noqa: ANN401 - the volume of any backend
    return Ask(spec, host, "lab", hosts=HOSTS)


NVME = NvmeVolume(name="vol1", namespace="/dev/nvme1n1")
SCSI = ScsiVolume(name="vol1", disk="/dev/sda")
DRBD = DrbdVolume(name="vol1", resource="r0")


@pytest.mark.parametrize(
    ("situation", "holder", "keys"),
    [
        ("report-free", 0, set()),
        ("report-registered", 0, {10}),
        ("report-held-by-me", 10, {10}),
        ("report-held-by-other", 10, {10, 11}),
        ("report-preempted-1", 11, {11}),
        ("report-released", 0, {10}),
    ],
)
def test_nvme_reports(situation: str, holder: int, keys: set[int]) -> None:
    seen = nvme.parse(captured("nvme", situation).out)
    assert (seen.holder, set(seen.keys)) == (holder, keys)


@pytest.mark.usefixtures("short_keys")
@pytest.mark.parametrize(
    ("situation", "host", "holding", "mode"),
    [
        ("report-free", "srv-a", Holding(Holder.NOBODY), None),
        ("report-registered", "srv-a", Holding(Holder.NOBODY), "registered"),
        ("report-held-by-me", "srv-a", Holding(Holder.ME, "srv-a", 10), "exclusive"),
        ("report-held-by-other", "srv-b", Holding(Holder.ANOTHER, "srv-a", 10), "registered"),
        ("report-preempted-1", "srv-a", Holding(Holder.ANOTHER, "srv-b", 11), None),
    ],
)
@pytest.mark.parametrize("program", [("nvme",), ("nvme-1", "report-eds")], ids=["nvme", "nvme-1"])
def test_nvme_tells_who_holds(program: tuple[str, ...], situation: str, host: str, holding: Holding, mode: str | None) -> None:
    """Version 1 refuses the first question, and is asked again in its own words."""
    ask = asking(NVME, host)
    assert BACKENDS["nvme"].holder(Played(*program, situation), ask) == holding  # type: ignore[arg-type]  # as much of a Host as is asked
    have = BACKENDS["nvme"].observe(Played(*program, situation), ask)  # type: ignore[arg-type]  # as above
    assert (have.mode if have else None) == mode


def test_nvme_1_prints_the_whole_key() -> None:
    seen = nvme.parse_text(captured("nvme-1", "report-long-key").out)
    assert seen == nvme.Entry(0xFEDCBA9876543210, 1, frozenset({0xFEDCBA9876543210, 0xB}))


def test_nvme_1_that_cannot_tell_is_unknown() -> None:
    with pytest.raises(ProbeError, match="--cdw11=1` ended with 5: NVME IO command error:6018"):
        nvme.read(Played("nvme-1", "report-eds", "report-refused"), "/dev/nvme1n1")  # type: ignore[arg-type]  # as above


@pytest.mark.parametrize("situation", ["report-no-device", "report-without-eds"])
def test_nvme_that_cannot_tell_is_unknown(situation: str) -> None:
    with pytest.raises(ProbeError, match="ended with 1"):
        BACKENDS["nvme"].holder(Played("nvme", situation), asking(NVME))  # type: ignore[arg-type]  # as above


@pytest.mark.parametrize(
    ("tool", "situation", "kind"),
    [
        ("nvme", "acquire-refused", Denied),
        ("nvme", "acquire-preempted-1", Denied),
        ("nvme", "preempt-wrong-key", Denied),
        ("nvme-1", "acquire-refused", Denied),
        ("scsi", "reserve-refused", Denied),
        ("scsi", "reserve-preempted", Denied),
        ("scsi", "preempt-wrong-key", Denied),
        ("scsi", "mpath-reserve-refused", Denied),
        ("scsi", "reserve-unit-attention", Transient),
        ("drbd", "primary-refused", Denied),
        ("drbd", "primary-force-refused", Denied),
        ("drbd", "secondary-refused", Transient),
    ],
)
def test_a_refusal_is_told_from_a_failure(tool: str, situation: str, kind: type[StepError]) -> None:
    judged = BACKENDS[tool.removesuffix("-1")].judge(asking(DRBD), captured(tool, situation))
    assert type(judged) is kind


@pytest.mark.parametrize(
    ("tool", "situation"), [("nvme", "preempt-no-key"), ("scsi", "reserve-unregistered"), ("drbd", "primary-primary-crashed")]
)
def test_what_is_neither_is_left_to_the_engine(tool: str, situation: str) -> None:
    assert type(BACKENDS[tool].judge(asking(DRBD), captured(tool, situation))) is CommandError


def test_scsi_reservations() -> None:
    assert scsi.parse_holder(captured("scsi", "read-reservation-held").out) == 10
    assert scsi.parse_holder(captured("scsi", "read-reservation-free").out) == 0
    assert scsi.parse_keys(captured("scsi", "read-keys-held").out) == {10, 11}
    assert scsi.parse_keys(captured("scsi", "read-keys-free").out) == set()
    assert scsi.parse_keys(captured("scsi", "mpath-read-keys-free").out) == set()
    assert scsi.parse_keys(captured("scsi", "mpath-read-keys-held").out) == {0x13459A55A9F0711F}


@pytest.mark.parametrize("text", ["", "PR in: something else\n"])
def test_scsi_words_that_are_not_known_are_no_answer(text: str) -> None:
    with pytest.raises(ProbeError):
        scsi.parse_holder(text)
    with pytest.raises(ProbeError):
        scsi.parse_keys(text)


@pytest.mark.usefixtures("short_keys")
def test_scsi_tells_who_holds() -> None:
    played = Played("scsi", "read-keys-held", "read-reservation-held")
    assert BACKENDS["scsi"].holder(played, asking(SCSI, "srv-b")) == Holding(Holder.ANOTHER, "srv-a", 10)  # type: ignore[arg-type]  # as above
    played = Played("scsi", "read-keys-held", "read-reservation-held")
    assert BACKENDS["scsi"].observe(played, asking(SCSI, "srv-b")) == Volume("/dev/sda", "registered")  # type: ignore[arg-type]  # as above
    played = Played("scsi", "read-keys-held", "read-reservation-held")
    assert BACKENDS["scsi"].observe(played, asking(SCSI, "srv-a")) == Volume("/dev/sda")  # type: ignore[arg-type]  # as above


@pytest.mark.usefixtures("short_keys")
def test_scsi_asks_again_after_a_unit_attention() -> None:
    played = Played("scsi", "read-full-status-preempted", "read-keys-held", "read-reservation-held")
    assert BACKENDS["scsi"].holder(played, asking(SCSI, "srv-a")).holder is Holder.ME  # type: ignore[arg-type]  # as above


class Sysfs(Played):
    """A disk, or a map with paths, whose states sysfs tells."""

    def __init__(self, **states: str) -> None:
        super().__init__("scsi", "read-reservation-no-device")
        self.states = states
        self.ran: list[tuple[str, ...]] = []

    def run(self, argv: Any, _timeout: float = 0.0) -> Completed:  # noqa: ANN401 - as above
        self.ran.append(argv)
        return Completed(argv, STILL_ASKED, "", "")

    def names(self, directory: str) -> list[str]:
        return [name for name in self.states if name != "disk" and directory.endswith("/8:0/slaves")]

    def read(self, path: str) -> str:
        if "/slaves/" in path or "disk" in self.states:
            return self.states[path.split("/")[-3] if "/slaves/" in path else "disk"]
        raise FileNotFoundError(path)


@pytest.mark.parametrize("states", [{"disk": "transport-offline"}, {"disk": "blocked"}, {"sda": "offline", "sdb": "blocked"}])
def test_scsi_disk_that_the_kernel_does_not_reach_is_not_asked(states: dict[str, str]) -> None:
    host = Sysfs(**states)
    with pytest.raises(ProbeError, match="does not reach /dev/sda"):
        BACKENDS["scsi"].holder(host, asking(SCSI))  # type: ignore[arg-type]  # as above
    assert not host.ran


@pytest.mark.parametrize("states", [{"disk": "running"}, {"sda": "offline", "sdb": "running"}, {}])
def test_scsi_disk_is_asked_by_one_command_at_a_time(states: dict[str, str]) -> None:
    host = Sysfs(**states)
    with pytest.raises(ProbeError, match="has not answered an earlier `sg_persist`"):
        BACKENDS["scsi"].holder(host, asking(SCSI))  # type: ignore[arg-type]  # as above
    assert [(argv[0], argv[argv.index("/sys/dev/block/8:0") + 1]) for argv in host.ran] == [("flock", "sg_persist")]


def test_scsi_without_its_disk_is_unknown() -> None:
    with pytest.raises(ProbeError, match="No such file"):
        BACKENDS["scsi"].holder(Played("scsi", "read-reservation-no-device"), asking(SCSI))  # type: ignore[arg-type]  # as above


@pytest.mark.parametrize(
    ("situation", "holding"),
    [
        ("events-secondary", Holding(Holder.NOBODY)),
        ("events-primary-here", Holding(Holder.ME, "srv-a")),
        ("events-primary-there", Holding(Holder.ANOTHER, "srv-b")),
        ("events-peer-down", Holding(Holder.ANOTHER, "srv-b")),
        ("events-peer-gone", Holding(Holder.ANOTHER, "srv-b")),
        ("events-primary-crashed", Holding(Holder.ANOTHER, "srv-b")),
        ("events-primary-peer-gone", Holding(Holder.ME, "srv-a")),  # it may be the only one: its I/O waits, and has a deadline
        ("events-standalone", Holding(Holder.ANOTHER, "srv-b")),  # the other went on while this one was not heard
        ("events-peer-standalone", Holding(Holder.ME, "srv-a")),  # the one that went on
    ],
)
def test_drbd_tells_who_holds_and_counts_a_peer_it_cannot_see(situation: str, holding: Holding) -> None:
    assert BACKENDS["drbd"].holder(Played("drbd", situation), asking(DRBD)) == holding  # type: ignore[arg-type]  # as above


def test_drbd_reads_disk_and_peers() -> None:
    seen = drbd.parse(captured("drbd", "events-primary-there").out, "r0")
    assert (seen.role, seen.io, seen.disk) == ("Secondary", True, "UpToDate")
    assert seen.peers == (drbd.Peer("peer", "Primary", "Connected", "UpToDate"),)


def test_drbd_names_a_third_host_as_drbd_does() -> None:
    ask = Ask(DRBD, "srv-a", "lab", hosts=("srv-a", "srv-b", "srv-c"))
    assert BACKENDS["drbd"].holder(Played("drbd", "events-primary-there"), ask).by == "peer"  # type: ignore[arg-type]  # as above


@pytest.mark.parametrize(("situation", "waits"), [("events-primary-peer-gone", True), ("events-primary-here", False)])
def test_drbd_gives_up_its_copy_before_it_lets_go_on_what_waits(situation: str, waits: bool) -> None:
    backend, ask = BACKENDS["drbd"], asking(DRBD)
    have = backend.observe(Played("drbd", situation), ask)  # type: ignore[arg-type]  # as above
    assert have is not None
    detach, resume = ("drbdadm", "detach", "--force", "r0"), ("drbdadm", "resume-io", "r0")
    assert [step.argv for step in backend.cut(ask, have)] == ([detach, resume] if waits else [])


@pytest.mark.parametrize("situation", ["events-not-up", "events-no-module"])
def test_drbd_that_is_not_up_is_unknown(situation: str) -> None:
    with pytest.raises(ProbeError, match="drbdadm up r0"):
        BACKENDS["drbd"].holder(Played("drbd", situation), asking(DRBD))  # type: ignore[arg-type]  # as above


def test_drbd_that_was_passed_over_takes_nothing_and_the_one_that_went_on_may() -> None:
    """What was captured from Primaries, as it is once they are Secondary."""
    for situation, takes in (("events-standalone", False), ("events-peer-standalone", True)):
        played = Played("drbd", situation)
        was = played.answers[0]
        text = was.out.replace("role:Primary", "role:Secondary").replace("suspended:fencing", "suspended:no")
        played.answers = [was._replace(out=text)]
        if takes:
            assert BACKENDS["drbd"].holder(played, asking(DRBD)) == Holding(Holder.ANOTHER, "srv-b")  # type: ignore[arg-type]  # as above
        else:
            with pytest.raises(ProbeError, match="may have gone on"):
                BACKENDS["drbd"].holder(played, asking(DRBD))  # type: ignore[arg-type]  # as above


@pytest.mark.parametrize("situation", ["events-rebooted-alone"])
def test_drbd_whose_disk_may_be_old_takes_nothing(situation: str) -> None:
    with pytest.raises(ProbeError, match="may not have all the data"):
        BACKENDS["drbd"].holder(Played("drbd", situation), asking(DRBD))  # type: ignore[arg-type]  # as above
