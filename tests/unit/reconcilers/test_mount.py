"""The kind `mount`: what is run to release, and how what is left of a file system is read."""

import pytest

from nvkeep.errors import StepError, Transient
from nvkeep.host import Completed
from nvkeep.model.mounts import Mount
from nvkeep.model.plan import Verb
from nvkeep.reconcilers.mount import MountAsk, MountKind, MountState

KIND = MountKind()
ASK = MountAsk(Mount(volume="one", path="/srv/pg", fstype="ext4"), "/dev/nvmesh/one", "unit", ("a.service", "b.service"))
MOUNTED = KIND.desired(ASK)
HIDDEN = MountState("/dev/nvmesh/one", "ext4", frozenset(), writable=True, hidden=True)
RELEASE = "nvkeep umount /srv/pg --device /dev/nvmesh/one --holders unit --units a.service,b.service --within 30"


def test_letting_go_is_one_command_that_can_be_typed() -> None:
    (step,) = KIND.release(ASK, MOUNTED)
    assert (str(step), step.timeout) == (RELEASE, 30.0)
    assert [str(step) for step in KIND.release(ASK, HIDDEN)] == [RELEASE]


def test_isolating_hurries_and_leaves_what_nobody_can_reach_to_the_end_of_the_device() -> None:
    (step,) = KIND.isolate(ASK, MOUNTED)
    assert (str(step), step.timeout) == (RELEASE.replace("--within 30", "--within 8"), 8.0)
    assert KIND.isolate(ASK, HIDDEN) == ()


def test_a_volume_that_is_mounted_twice_names_the_other_place() -> None:
    twice = MountAsk(ASK.spec, ASK.device, "none", (), ("/srv/other",))
    assert "--holders none --beside /srv/other --within" in str(KIND.release(twice, MOUNTED)[0])


@pytest.mark.parametrize(
    ("have", "verb", "settled"),
    [
        (None, Verb.RELEASE, True),
        (None, Verb.ISOLATE, True),
        (MOUNTED, Verb.RELEASE, False),
        (MOUNTED, Verb.ISOLATE, False),
        (HIDDEN, Verb.RELEASE, False),
        (HIDDEN, Verb.ISOLATE, True),
        (MOUNTED, Verb.ACQUIRE, True),
        (HIDDEN, Verb.ACQUIRE, False),
    ],
)
def test_unmounted_but_alive_is_released_only_for_a_host_that_isolates_itself(
    have: MountState | None, verb: Verb, settled: bool
) -> None:
    assert KIND.settled(ASK, have, verb) is settled


def test_what_was_unmounted_lazily_by_hand_is_mounted_again_in_use() -> None:
    assert KIND.adjust(ASK, HIDDEN) == KIND.acquire(ASK)


def test_the_last_words_of_the_ladder_are_the_reason() -> None:
    said = KIND.judge(ASK, Completed(("nvkeep", "umount", "/srv/pg"), 1, "", "/srv/pg is held: pid 4711 (sleep)\n"))
    assert (type(said), str(said)) == (StepError, "/srv/pg is held: pid 4711 (sleep)")


@pytest.mark.parametrize("code", [0, 124])
def test_what_the_kernel_still_writes_out_is_waited_for(code: int) -> None:
    assert isinstance(KIND.judge(ASK, Completed(("nvkeep", "umount", "/srv/pg"), code, "", "")), Transient)
