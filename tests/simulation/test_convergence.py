"""From every legal state, killed anywhere: the next passes converge, the one after does nothing, nothing unsafe is done."""

from collections.abc import Mapping

import pytest

from tests.simulation.states import BACKENDS, ROLES, ROUNDS, Found, bring_about, every_state, pairwise
from tests.simulation.world import Fault, Kill, World

COUNTS = {"states": 0, "killed states": 0, "kills": 0}
MOST = 40  # changing commands of the longest pass; more would be a loop
PATIENT = 24  # passes, 8 s apart, within which one failure is forgotten: cool-down and a first loss take a minute each
LETS_GO = (("nvmesh_detach_volumes",), ("nvkeep", "lease", "release"))


# What is known to end wrong. Strict: when the package is fixed the test below fails, and the entry goes.
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
    if found.holds:
        gone = [argv for _, argv, _ in world.commands if any(argv[: len(words)] == words for words in LETS_GO)]
        return f"(6) the holder released its volume: {gone}" if gone else ""
    return ""


def once(found: Found, kill: Kill | None = None) -> tuple[World, bool, str]:
    """Run a state to its end, its first pass killed as told; return whether it was, and what is wrong."""
    world = bring_about(found)
    died = world.make_pass("a", kill) is None
    return world, died, settle(world) or wrong(world, found)


def failing(states: list[Found]) -> dict[Found, str]:
    return {found: text for found in states if (text := once(found)[2])}


def killed(states: list[Found]) -> dict[tuple[Found, Kill], str]:
    """Kill each state's first pass before and after each of its changing commands and records."""
    faulty = {}
    for found in states:
        COUNTS["killed states"] += 1
        for kill in (Kill(number, after) for number in range(1, MOST) for after in (False, True)):
            _, died, text = once(found, kill)
            if not died:
                assert kill.number < MOST - 1
                break
            COUNTS["kills"] += 1
            if text:
                faulty[found, kill] = text
    return faulty


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("backend", BACKENDS)
def test_every_state_converges_and_then_nothing_is_done(backend: str, role: str) -> None:
    states = list(every_state(backend, role))
    COUNTS["states"] += len(states)
    faulty = failing(states)
    assert not faulty, report(faulty)


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("backend", BACKENDS)
def test_every_state_killed_after_every_command_converges_to_the_same_end(backend: str, role: str) -> None:
    faulty = killed(pairwise(list(every_state(backend, role))))
    assert not faulty, report(faulty)


TAKEOVER = ("MASTER", "dead another", "absent", "absent", "inactive", False)
ACQUIRE = ("CANDIDATE", "absent", "absent", "absent", "inactive", False)
RELEASE = ("BACKUP", "shared", "right", "right", "active", False)
ISOLATE = ("MASTER", "preempted", "right", "right", "active", True)


@pytest.mark.parametrize("run", [TAKEOVER, ACQUIRE, RELEASE, ISOLATE], ids=["takeover", "acquire", "release", "isolate"])
@pytest.mark.parametrize("backend", BACKENDS)
def test_killed_twice_converges_to_the_same_end(backend: str, run: tuple[str, str, str, str, str, bool]) -> None:
    """Every state that a killed run leaves is a legal state: its next pass is killed everywhere as well."""
    found = starts(run, backend)
    faulty = {}
    kills = [Kill(number, after) for number in range(1, MOST) for after in (False, True)]
    for first in kills:
        if not once(found, first)[1]:
            break
        for second in kills:
            world = bring_about(found)
            world.make_pass("a", first)
            died = world.make_pass("a", second) is None
            COUNTS["kills"] += 2
            if text := settle(world) or wrong(world, found):
                faulty[found, second] = f"after {first}: {text}"
            if not died:
                break
    assert not faulty, report(faulty)


def starts(run: tuple[str, str, str, str, str, bool], backend: str) -> Found:
    """Give the state that a run starts from; an image knows no shared way: it releases an address and a unit alone."""
    role, volume, mount, address, unit, claimed = run
    if backend == "image" and volume == "shared":
        volume = mount = "absent"
    return Found(backend, role, volume, mount, address, unit, claimed)


@pytest.mark.parametrize("how", ["fails", "hangs", "hangs, done"])
@pytest.mark.parametrize("run", [TAKEOVER, ACQUIRE, RELEASE, ISOLATE], ids=["takeover", "acquire", "release", "isolate"])
@pytest.mark.parametrize("backend", BACKENDS)
def test_every_command_may_fail_once(backend: str, run: tuple[str, str, str, str, str, bool], how: str) -> None:
    found = starts(run, backend)
    commands = dict.fromkeys(" ".join(argv) for _, argv, _ in once(found)[0].commands)
    faulty = {}
    for words in commands:
        world = bring_about(found)
        world.faults.append(Fault(words, hangs=how.startswith("hangs"), late=how.endswith("done"), host="a"))
        for _ in range(PATIENT):
            world.advance(8.0)
            since = len(world.commands)
            world.make_pass("a")
            world.faults = [fault for fault in world.faults if fault.times > 0]
            if not world.faults and not world.changes(since, "a") and not wrong(world, found):
                break
        if text := wrong(world, found) or ("" if not world.faults else "it never came to that"):
            faulty[words] = text
    assert commands
    assert not faulty, "\n".join(f"`{words}` {how}: {text}" for words, text in faulty.items())


def report(faulty: Mapping[Found, str] | Mapping[tuple[Found, Kill], str]) -> str:
    """Show how many, and the first few."""
    lines = [f"{len(faulty)} do not end well"]
    lines += [f"{found}: {text}" for found, text in list(faulty.items())[:12]]
    return "\n".join(lines)


def teardown_module() -> None:
    print(f"\nsimulation: {COUNTS}")  # noqa: T201 - how much was tried belongs to the result
