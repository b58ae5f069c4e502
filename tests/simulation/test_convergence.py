"""From every legal state, killed anywhere: the next passes converge, the one after them does nothing, and nothing unsafe is done."""

import pytest

from tests.simulation.states import BACKENDS, ROLES, ROUNDS, Found, bring_about, every_state, pairwise
from tests.simulation.world import Kill, World

COUNTS = {"states": 0, "killed states": 0, "kills": 0}
MOST = 40  # changing commands of the longest pass; more would be a loop


def settle(world: World, name: str = "a") -> str:
    """Make passes, a second apart, until one does nothing; say what is wrong, or nothing."""
    for _ in range(ROUNDS):
        world.advance(1.0)
        since = len(world.commands)
        world.make_pass(name)
        if not world.changes(since, name):
            return ""
    return f"still changing after {ROUNDS} passes: {world.changes(since, name)}"


def wrong(world: World, found: Found) -> str:
    """Say what is wrong with where it ended."""
    if world.violations:
        return f"unsafe: {world.violations[0]}"
    claimed = "/run/nvkeep/claim/nfs" in world.machines["a"].files
    ended = {"serves": world.serves("a") and claimed, "clean": world.clean("a") and not claimed}
    if not ended[found.end]:
        here = world.machines["a"]
        return (f"not {found.end}: claimed={claimed} {here.attached or here.links} {here.mounts} {here.addresses} "
                f"{here.units} after {[' '.join(argv) for _, argv, _ in world.commands[-6:]]}")  # fmt: skip
    return ""


def once(found: Found, kill: Kill | None = None) -> tuple[World, bool, str]:
    """Run a state to its end, its first pass killed as told; tell whether it was, and what is wrong."""
    world = bring_about(found)
    died = world.make_pass("a", kill) is None
    return world, died, settle(world) or wrong(world, found)


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("backend", BACKENDS)
def test_every_state_converges_and_then_nothing_is_done(backend: str, role: str) -> None:
    states = list(every_state(backend, role))
    faulty = {found: text for found in states if (text := once(found)[2])}
    COUNTS["states"] += len(states)
    assert not faulty, report(faulty)


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("backend", BACKENDS)
def test_every_state_killed_after_every_command_converges_to_the_same_end(backend: str, role: str) -> None:
    faulty = {}
    for found in pairwise(list(every_state(backend, role))):
        COUNTS["killed states"] += 1
        for kill in (Kill(number, after) for number in range(1, MOST) for after in (False, True)):
            _, died, text = once(found, kill)
            if not died:
                assert kill.number < MOST - 1
                break
            COUNTS["kills"] += 1
            if text:
                faulty[found, kill] = text
    assert not faulty, report(faulty)


def report(faulty: dict[object, str]) -> str:
    """Show how many, and the first few of each sort."""
    lines = [f"{len(faulty)} do not end well"]
    lines += [f"{found}: {text}" for found, text in list(faulty.items())[:12]]
    return "\n".join(lines)


def teardown_module() -> None:
    print(f"\nsimulation: {COUNTS}")  # noqa: T201 - how much was tried belongs to the result
