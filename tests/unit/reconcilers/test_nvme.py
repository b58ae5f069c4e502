"""A namespace that is connected only when it is taken: by then nobody could read who holds it."""

from ipaddress import ip_address

from nvkeep.errors import Denied
from nvkeep.host import Completed
from nvkeep.model.decision import Holder
from nvkeep.model.plan import Steps
from nvkeep.reconcilers.backends.base import Ask
from nvkeep.reconcilers.backends.nvme import BACKEND, CONFLICT, Connect, NvmeVolume

WHERE = Connect(address=ip_address("10.0.0.9"), nqn="nqn.2026-01.org.example:vol1")
DEVICE = "/dev/disk/by-id/nvme-1"
HOLDER = 0xA


class Unconnected:
    """As much of a host as is asked where the namespace is not there yet."""

    def device_number(self, _path: str) -> str | None:
        return None


def ask(*, connect: bool) -> Ask[NvmeVolume]:
    return Ask(NvmeVolume(name="vol1", namespace=DEVICE, connect=WHERE if connect else None), "server01", "pair")


def words(steps: Steps) -> list[str]:
    return [" ".join(step.argv[1:3]) for step in steps]


def test_what_is_not_connected_is_seized_by_connecting_it_and_trying() -> None:
    asked = ask(connect=True)
    assert BACKEND.holder(Unconnected(), asked).holder is Holder.UNTOLD  # type: ignore[arg-type]  # as above
    steps = BACKEND.seize(asked, None)
    assert words(steps) == ["nvme connect", "resv-register " + DEVICE, "resv-acquire " + DEVICE]
    assert "--racqa=0" in steps[-1].argv


def test_a_holder_that_is_found_then_denies_it() -> None:
    last = BACKEND.seize(ask(connect=True), None)[-1].argv
    refused = Completed(last, 1, "", f"NVMe status: {CONFLICT}: The command was aborted (0x4083)")
    assert isinstance(BACKEND.judge(ask(connect=True), refused), Denied)


def test_a_holder_that_is_known_is_preempted_by_its_key() -> None:
    for connect in (True, False):
        steps = BACKEND.seize(ask(connect=connect), HOLDER)
        assert {"--prkey=0xa", "--racqa=2"} <= set(steps[-1].argv)
