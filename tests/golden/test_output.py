"""What real nvme-cli, sg3-utils and drbd-utils printed, and what nvkeep reads in it."""

from typing import Any

import pytest

from nvkeep.errors import CommandError, Denied, ProbeError, StepError, Transient
from nvkeep.host import Completed
from nvkeep.model.decision import Holder
from nvkeep.probes import drbd, nvme, scsi
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


@pytest.fixture
def short_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the hosts have the keys with which the output was captured."""
    for module in (base, *(__import__(f"nvkeep.reconcilers.backends.{name}", fromlist=["x"]) for name in ("nvme", "scsi"))):
        monkeypatch.setattr(module, "key_of", lambda _ask, host: KEYS[host])


def asking(spec: Any, host: str = "srv-a") -> Ask:  # noqa: ANN401 - the volume of any backend
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
def test_nvme_tells_who_holds(situation: str, host: str, holding: Holding, mode: str | None) -> None:
    ask, played = asking(NVME, host), Played("nvme", situation)
    assert BACKENDS["nvme"].holder(played, ask) == holding  # type: ignore[arg-type]  # as much of a Host as is asked
    have = BACKENDS["nvme"].observe(played, ask)  # type: ignore[arg-type]  # as above
    assert (have.mode if have else None) == mode


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
        ("scsi", "reserve-refused", Denied),
        ("scsi", "reserve-preempted", Denied),
        ("scsi", "preempt-wrong-key", Denied),
        ("scsi", "reserve-unit-attention", Transient),
        ("drbd", "primary-refused", Denied),
        ("drbd", "primary-force-refused", Denied),
        ("drbd", "secondary-refused", Transient),
    ],
)
def test_a_refusal_is_told_from_a_failure(tool: str, situation: str, kind: type[StepError]) -> None:
    judged = BACKENDS[tool].judge(captured(tool, situation))
    assert type(judged) is kind


@pytest.mark.parametrize(
    ("tool", "situation"), [("nvme", "preempt-no-key"), ("scsi", "reserve-unregistered"), ("drbd", "primary-primary-crashed")]
)
def test_what_is_neither_is_left_to_the_engine(tool: str, situation: str) -> None:
    judged = BACKENDS[tool].judge(captured(tool, situation))
    assert judged is None or type(judged) is CommandError


def test_scsi_reservations() -> None:
    assert scsi.parse_holder(captured("scsi", "read-reservation-held").out) == 10
    assert scsi.parse_holder(captured("scsi", "read-reservation-free").out) == 0
    assert scsi.parse_keys(captured("scsi", "read-keys-held").out) == {10, 11}
    assert scsi.parse_keys(captured("scsi", "read-keys-free").out) == set()


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


def test_scsi_without_its_disk_is_unknown() -> None:
    with pytest.raises(ProbeError, match="No such file"):
        BACKENDS["scsi"].holder(Played("scsi", "read-reservation-no-device"), asking(SCSI))  # type: ignore[arg-type]  # as above


@pytest.mark.parametrize(
    ("situation", "holding"),
    [
        ("events-secondary", Holding(Holder.NOBODY)),
        ("events-primary-here", Holding(Holder.ME, "srv-a")),
        ("events-primary-there", Holding(Holder.ANOTHER, "peer")),
        ("events-peer-down", Holding(Holder.ANOTHER, "peer")),
        ("events-peer-gone", Holding(Holder.ANOTHER, "peer")),
        ("events-primary-crashed", Holding(Holder.ANOTHER, "peer")),
    ],
)
def test_drbd_tells_who_holds_and_counts_a_peer_it_cannot_see(situation: str, holding: Holding) -> None:
    assert BACKENDS["drbd"].holder(Played("drbd", situation), asking(DRBD)) == holding  # type: ignore[arg-type]  # as above


def test_drbd_reads_disk_and_peers() -> None:
    seen = drbd.parse(captured("drbd", "events-primary-there").out, "r0")
    assert (seen.role, seen.io, seen.disk) == ("Secondary", True, "UpToDate")
    assert seen.peers == (drbd.Peer("peer", "Primary", "Connected"),)


@pytest.mark.parametrize("situation", ["events-not-up", "events-no-module"])
def test_drbd_that_is_not_up_is_unknown(situation: str) -> None:
    with pytest.raises(ProbeError, match="drbdadm up r0"):
        BACKENDS["drbd"].holder(Played("drbd", situation), asking(DRBD))  # type: ignore[arg-type]  # as above


@pytest.mark.parametrize("situation", ["events-rebooted-alone"])
def test_drbd_whose_disk_may_be_old_takes_nothing(situation: str) -> None:
    with pytest.raises(ProbeError, match="may not have all the data"):
        BACKENDS["drbd"].holder(Played("drbd", situation), asking(DRBD))  # type: ignore[arg-type]  # as above
