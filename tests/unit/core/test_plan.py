"""What was seen -> changes: the order, what waits, what is replaced. Pure."""

from typing import Any

import pytest

from nvkeep.config import parsing
from nvkeep.core.plan import make_plan
from nvkeep.model.plan import Plan, Ref, Unknown, Verb, Want
from nvkeep.reconcilers import Resource, resources
from nvkeep.reconcilers.address import AddressState
from nvkeep.reconcilers.backends.base import Volume
from nvkeep.reconcilers.mount import MountState
from nvkeep.reconcilers.service import UnitState

TEXT = """\
cluster: pair
hosts:
  server01: {heartbeats: [{interface: eth0, address: 10.0.0.1}]}
  server02: {heartbeats: [{interface: eth0, address: 10.0.0.2}]}
services:
  nfs:
    hosts: [server01, server02]
    volumes: [{name: one}, {name: two}]
    mounts:
      - {volume: two, path: /srv/nfs/deep, fstype: ext4}
      - {volume: one, path: /srv/nfs, fstype: xfs, options: [noatime]}
      - {volume: two, path: /srv/other, fstype: ext4}
    addresses:
      - {address: 192.168.0.1/24, interface: eth0}
    units: [first.service, second.service]
"""
ALL: tuple[Resource, ...] = resources(parsing.parse(TEXT), "nfs", "server01")
KEYS = [one.key for one in ALL]
ABSENT: dict[Ref, Any] = dict.fromkeys(KEYS)
WELL: dict[Ref, Any] = {one.key: one.kind.desired(one.spec) for one in ALL}
ONE, TWO = Ref.of("volume", "one"), Ref.of("volume", "two")
OUTER, INNER, OTHER = (Ref.of("mount", path) for path in ("/srv/nfs", "/srv/nfs/deep", "/srv/other"))
FLOATING, FIRST, SECOND = (
    Ref.of("address", "192.168.0.1"),
    Ref.of("service", "first.service"),
    Ref.of("service", "second.service"),
)
BELOW = {one.key: one.needs for one in ALL}


def planned(want: Want, seen: dict[Ref, Any], versions: dict[Ref, int | None] | None = None) -> Plan:
    return make_plan(ALL, seen, want, versions)


def above(key: Ref) -> set[Ref]:
    """Everything that stands on it, on any floor."""
    found: set[Ref] = set()
    for one in KEYS:
        if key in BELOW[one] or BELOW[one] & found:
            found.add(one)
    return found


def keys(changes: Any) -> list[str]:  # noqa: ANN401 - changes
    return [change.key for change in changes]


def test_what_a_service_needs_and_what_each_stands_on() -> None:
    assert KEYS == [ONE, TWO, OUTER, OTHER, INNER, FLOATING, FIRST, SECOND]
    assert BELOW[TWO] == {ONE}
    assert BELOW[INNER] == {TWO, OUTER}
    assert BELOW[FLOATING] == {ONE, TWO, OUTER, OTHER, INNER}
    assert BELOW[SECOND] == set(KEYS) - {SECOND}
    for index, one in enumerate(ALL):
        assert one.needs <= set(KEYS[:index])


def test_all_well_is_nothing_to_do() -> None:
    assert planned(Want.HERE, WELL) == Plan()
    assert planned(Want.GONE, ABSENT) == Plan()
    assert planned(Want.ISOLATED, ABSENT) == Plan()


def test_from_nothing_everything_is_acquired_upward() -> None:
    made = planned(Want.HERE, ABSENT)
    assert not made.down
    assert keys(made.up) == KEYS
    assert {change.verb for change in made.up} == {Verb.ACQUIRE}
    assert all(change.steps and change.why for change in made.up)


def test_release_is_the_exact_reverse() -> None:
    made = planned(Want.GONE, WELL)
    assert keys(made.down) == KEYS[::-1]
    assert {change.verb for change in made.down} == {Verb.RELEASE}
    assert not made.up


def test_only_what_is_missing_is_acquired_and_only_what_is_there_released() -> None:
    assert keys(planned(Want.HERE, WELL | {FLOATING: None}).changes) == [FLOATING]
    assert keys(planned(Want.GONE, ABSENT | {ONE: WELL[ONE], FIRST: WELL[FIRST]}).changes) == [FIRST, ONE]


def test_isolating_takes_the_address_first_and_the_volumes_last() -> None:
    made = planned(Want.ISOLATED, WELL)
    assert keys(made.down) == [FLOATING, SECOND, FIRST, INNER, OTHER, OUTER, TWO, ONE]
    assert {change.verb for change in made.down} == {Verb.ISOLATE}
    told = {change.key: [step.argv for step in change.steps] for change in made.down}
    assert any("kill" in argv for argv in told[FIRST])
    assert any("--force" in argv for argv in told[ONE])


def test_what_changes_in_use_disturbs_nothing_above_it() -> None:
    have = MountState("/dev/nvmesh/one", "xfs", frozenset(), writable=True)
    made = planned(Want.HERE, WELL | {OUTER: have})
    assert [(change.key, change.verb) for change in made.changes] == [(OUTER, Verb.ADJUST)]
    assert made.up[0].steps[0].argv == ("mount", "-o", "remount,noatime", "/srv/nfs")


def test_an_address_in_a_wrong_place_is_moved_without_stopping_what_stands_on_it() -> None:
    made = planned(Want.HERE, WELL | {FLOATING: AddressState("eth1", 24, "eth1")})
    assert not made.down
    (change,) = made.up
    assert [step.argv[:3] for step in change.steps] == [
        ("ip", "addr", "del"),
        ("ip", "-4", "addr"),
        ("nvkeep", "announce", "eth0"),
    ]


@pytest.mark.parametrize(
    ("key", "have", "fresh"),
    [
        (OUTER, MountState("/dev/sdb1", "xfs", frozenset({"noatime"}), writable=True), [OUTER, INNER, FLOATING, FIRST, SECOND]),
        (OUTER, MountState("/dev/nvmesh/one", "xfs", frozenset(), writable=False), [OUTER, INNER, FLOATING, FIRST, SECOND]),
        (ONE, Volume("/dev/nvmesh/one", "shared"), KEYS),
        (TWO, Volume("/dev/nvmesh/two", "shared"), [TWO, OTHER, INNER, FLOATING, FIRST, SECOND]),
    ],
)
def test_replacing_what_is_in_use_lets_go_of_what_stands_on_it_first(key: Ref, have: object, fresh: list[str]) -> None:
    made = planned(Want.HERE, WELL | {key: have})
    assert set(keys(made.down)) >= set(fresh)
    assert keys(made.up) == [one for one in KEYS if one in keys(made.down)]
    assert keys(made.down) == keys(made.up)[::-1]
    assert {change.verb for change in made.up} == {Verb.ACQUIRE}
    gone: set[str] = set()
    for change in made.down:
        assert not [one for one in KEYS if change.key in BELOW[one] and one not in gone]
        gone.add(change.key)


def test_what_is_absent_already_is_not_released_before_it_is_taken_again() -> None:
    made = planned(Want.HERE, WELL | {ONE: Volume("/dev/nvmesh/one", "shared"), SECOND: None})
    assert SECOND not in keys(made.down)
    assert SECOND in keys(made.up)


@pytest.mark.parametrize("key", KEYS)
def test_what_stands_on_the_unknown_waits_and_the_rest_goes_on(key: Ref) -> None:
    made = planned(Want.HERE, ABSENT | {key: Unknown("it cannot be determined")})
    waits = {key} | above(key)
    assert {one for one, _ in made.waiting} == waits
    assert dict(made.waiting)[key] == "it cannot be determined"
    assert keys(made.up) == [one for one in KEYS if one not in waits]


@pytest.mark.parametrize("key", KEYS)
def test_isolation_goes_on_past_the_unknown_and_keeps_only_what_may_be_mounted(key: Ref) -> None:
    made = planned(Want.ISOLATED, WELL | {key: Unknown("it cannot be determined")})
    kept = {key} | {one for one in KEYS if key.startswith("mount ") and key in above(one)}
    assert {one for one, _ in made.waiting} == kept
    assert set(keys(made.down)) == set(KEYS) - kept


@pytest.mark.parametrize("key", KEYS)
def test_what_the_unknown_stands_on_is_kept(key: Ref) -> None:
    """What cannot be seen may still use its volume: the volume stays attached."""
    made = planned(Want.GONE, WELL | {key: Unknown("it cannot be determined")})
    kept = {key} | {one for one in KEYS if key in above(one)}
    assert {one for one, _ in made.waiting} == kept
    assert set(keys(made.down)) == set(KEYS) - kept
    assert not made.up


def test_versions_turn_taking_a_volume_into_seizing_it() -> None:
    made = planned(Want.HERE, ABSENT, {ONE: 7, TWO: None})
    verbs = {change.key: change.verb for change in made.up}
    assert [key for key in KEYS if verbs[key] is Verb.SEIZE] == [ONE, TWO]
    assert {verbs[key] for key in KEYS[2:]} == {Verb.ACQUIRE}
    assert all("--preempt" in change.steps[0].argv for change in made.up[:2])


def test_a_volume_held_already_is_not_seized_from_oneself() -> None:
    made = planned(Want.HERE, ABSENT | {ONE: WELL[ONE]}, {TWO: 3})
    assert [(change.key, change.verb) for change in made.up][:1] == [(TWO, Verb.SEIZE)]


def test_a_seize_of_an_image_names_the_version_that_was_read() -> None:
    text = TEXT.replace("{name: one}", "{name: one, backend: image, file: /shared/one.img}")
    some = resources(parsing.parse(text), "nfs", "server01")
    made = make_plan(some, dict.fromkeys([one.key for one in some]), Want.HERE, {ONE: 7})
    assert made.up[0].steps[0].argv == ("nvkeep", "lease", "seize", "/shared/one.img", "server01", "7")


def test_a_unit_on_its_way_is_only_looked_at_again() -> None:
    made = planned(Want.HERE, WELL | {FIRST: UnitState("activating", job=True)})
    assert [(change.key, change.verb, change.steps) for change in made.changes] == [(FIRST, Verb.ADJUST, ())]


@pytest.mark.parametrize("want", Want)
def test_every_partial_state_leads_to_the_target_in_a_legal_order(want: Want) -> None:
    for present in range(2 ** len(KEYS)):
        walk(present, want)


def walk(present: int, want: Want) -> None:
    here = {key for index, key in enumerate(KEYS) if present >> index & 1}
    made = planned(want, {key: WELL[key] if key in here else None for key in KEYS})
    for change in made.changes:
        if change.verb is Verb.ACQUIRE:
            assert change.key not in here
            here.add(change.key)
        else:
            assert change.key in here
            here.discard(change.key)
            if change.verb is Verb.RELEASE:
                assert not [one for one in here if change.key in BELOW[one]]
    assert here == (set(KEYS) if want is Want.HERE else set())
    assert not made.waiting


MIRRORED = TEXT.replace(
    "volumes: [{name: one}, {name: two}]",
    "volumes: [{name: one, backend: drbd, resource: r0}, {name: two, backend: drbd, resource: r1}]",
)


def test_isolating_ends_io_that_waits_once_the_address_is_gone_and_before_anything_waits_for_it() -> None:
    every = resources(parsing.parse(MIRRORED), "nfs", "server01")
    well: dict[Ref, Any] = {one.key: one.kind.desired(one.spec) for one in every}
    made = make_plan(every, well | {TWO: Volume("/dev/drbd/by-res/r1/0", io=False)}, Want.ISOLATED)
    assert keys(made.down) == [FLOATING, TWO, SECOND, FIRST, INNER, OTHER, OUTER, TWO, ONE]
    assert [(change.key, made.down.index(change)) for change in made.down if change.verb is Verb.CUT] == [(TWO, 1)]
    assert keys(make_plan(every, well, Want.GONE).down) == KEYS[::-1]
