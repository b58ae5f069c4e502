"""A device that is simply there: taken only after the guard, and held by a link that is gone with the boot."""

from collections.abc import Sequence

import pytest

from nvkeep.errors import CommandTimeout, ProbeError
from nvkeep.host import Completed
from nvkeep.model.decision import Holder
from nvkeep.probes.io import STILL_ASKED
from nvkeep.reconcilers.backends import register
from nvkeep.reconcilers.backends.base import Ask, Holding, Volume
from nvkeep.reconcilers.backends.device import DeviceVolume

BACKEND = register()["device"]
ASK = Ask(DeviceVolume(name="data", path="/dev/disk/by-id/one"), "server01")


HANGS = -1


class Host:
    """As much of a host as this backend asks."""

    def __init__(self, link: str | None, number: str | None = "8:0", code: int = 0) -> None:
        self.link, self.number, self.code = link, number, code

    def run(self, argv: Sequence[str], timeout: float) -> Completed:
        assert argv[-1] == "if=/dev/nvkeep/data"
        if self.code == HANGS:
            raise CommandTimeout(argv, timeout)
        return Completed(tuple(argv), self.code, "", "")

    def link_target(self, _path: str) -> str | None:
        return self.link

    def device_number(self, _path: str) -> str | None:
        return self.number


@pytest.mark.parametrize("code", [1, HANGS, STILL_ASKED], ids=["fails", "hangs", "an earlier read hangs"])
def test_a_device_whose_reads_do_not_come_back_does_no_io(code: int) -> None:
    dead = Host("/dev/disk/by-id/one", code=code)
    assert BACKEND.observe(dead, ASK) == Volume("/dev/nvkeep/data", io=False)  # type: ignore[arg-type]  # as much as is asked


def test_a_device_that_cannot_be_tried_is_unknown() -> None:
    with pytest.raises(ProbeError, match="cannot read from"):
        BACKEND.observe(Host("/dev/disk/by-id/one", code=127), ASK)  # type: ignore[arg-type]  # as above


def test_whoever_has_the_link_holds_and_everybody_else_counts_as_the_holder() -> None:
    here, there = Host("/dev/disk/by-id/one"), Host(None)
    assert BACKEND.holder(here, ASK) == Holding(Holder.ME, "server01")  # type: ignore[arg-type]  # as much of a Host as is asked
    assert BACKEND.observe(here, ASK) == Volume("/dev/nvkeep/data")  # type: ignore[arg-type]  # as above
    assert BACKEND.holder(there, ASK) == Holding(Holder.ANOTHER)  # type: ignore[arg-type]  # as above
    assert BACKEND.observe(there, ASK) is None  # type: ignore[arg-type]  # as above


def test_a_link_to_another_device_is_no_hold() -> None:
    assert BACKEND.holder(Host("/dev/disk/by-id/two"), ASK).holder is Holder.ANOTHER  # type: ignore[arg-type]  # as above


def test_a_device_that_is_not_there_is_unknown() -> None:
    with pytest.raises(ProbeError, match="no block device /dev/disk/by-id/one"):
        BACKEND.holder(Host(None, None), ASK)  # type: ignore[arg-type]  # as above


def test_taking_and_giving_back_are_a_link() -> None:
    assert BACKEND.acquire(ASK) == BACKEND.seize(ASK, None)
    assert BACKEND.acquire(ASK)[-1].argv == ("ln", "-sfn", "/dev/disk/by-id/one", "/dev/nvkeep/data")
    assert BACKEND.release(ASK, Volume("/dev/nvkeep/data"))[0].argv == ("rm", "-f", "/dev/nvkeep/data")
