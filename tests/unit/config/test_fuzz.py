"""The loader, fed with anything: a Cluster, or an error of ours with a place inside the file. Nothing else."""

import datetime as dt
import io
import random
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from nvkeep import config
from nvkeep.config import parsing
from nvkeep.errors import ConfigError, UnsafeFile
from nvkeep.model.spec import Cluster

COUNTS = settings(max_examples=100, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
VALID = """\
cluster: pair
hosts:
  server01: {heartbeats: [{interface: eth0, address: 10.0.0.1}, {interface: ib0, address: "fd00::1"}]}
  server02: {heartbeats: [{interface: eth0, address: 10.0.0.2}, {interface: ib0, address: "fd00::2"}]}
timing: {advert: 0.5, reconcile: 10}
nvmesh: {proc: /proc/nvmeibc}
services:
  nfs:
    hosts: [server01, server02]
    volumes: [{name: nfsvolume}]
    mounts: [{volume: nfsvolume, path: /srv/nfs, fstype: xfs, options: [noatime]}]
    addresses: [{address: 192.168.0.1/24, interface: eth0, label: "eth0:nfs"}]
    units: [nfs-server.service]
    health: {tcp: 2049}
    failback: {window: "02:00-05:00"}
    ping: [192.168.0.254]
  db:
    hosts: [server02, server01]
    volumes: [{name: dbvolume, backend: image, file: /shared/db.img}]
    mounts: [{volume: dbvolume, path: /srv/db, fstype: ext4}]
    units: [postgresql@15-main.service]
    health: {command: [/usr/bin/true]}
    failback: manual
    ping: none
    router_id: 51
"""
WORDS = sorted({word.strip(':[]{}",') for word in VALID.split()})
JARGON = ("pydantic", "NoneType", "Commented", "ruamel", "Input should", "~tcp", "~nvmesh", "type=", "object at")


def judge(text: str, said: ConfigError) -> None:
    lines = re.split("\r\n|[\n\r]", text)
    lines = lines[:-1] if len(lines) > 1 and not lines[-1] else lines
    assert said.problems
    for problem in said.problems:
        assert 1 <= problem.line <= len(lines), (problem, text)
        assert 1 <= problem.column <= len(lines[problem.line - 1]) + 1, (problem, text)
        assert problem.text.isprintable(), problem
        assert problem.path.isprintable(), problem
        assert not any(word in problem.text for word in JARGON if word not in text), problem
    assert list(said.problems) == sorted(said.problems)
    assert len(set(said.problems)) == len(said.problems)


def feed(text: str) -> Cluster | None:
    try:
        return parsing.parse(text)
    except ConfigError as error:
        judge(text, error)
        return None


def test_the_seed_of_all_mutations_is_right() -> None:
    assert isinstance(parsing.parse(VALID), Cluster)


@COUNTS
@given(st.text(max_size=300))
@example("\x85a: b\x85  c: [\x85")
@example("a: b\r\n\tc: d\r\n")
@example("﻿cluster: pair\n")
@example('"~foo": 1\n"[key]": 2\n')
@example("services: {x: {health: {'~tcp': 1, '~': 2}}}\n")
@example("cluster: 0x" + "f" * 5000)
@example("cluster: " + "9" * 5000)
@example("cluster: 2024-13-45\n")
@example("cluster: !!timestamp x\nhosts: !!int x\n")
@example("? {a: b}\n: c\n? [d]\n: e\n~: 1\n2024-01-01: 2\n1.5: 3\ntrue: 4\n")
@example("[" * 3000)
@example("a: " * 50)
@example("&a [*a]")
@example("&a {hosts: *a, services: *a}")
@example("<<: [1]\n")
@example("services: {x: {hosts: [[a], {b: c}], units: [{a: b}, [c]]}}")
@example("hosts: {'a\\nb': {'c\\u2028d': 1}}")
@example("%YAML 9.9\n---\na: b\n")
@example("--- !!set {a, b}\n")
@example("--- !!omap [a: b]\n")
def test_any_text(text: str) -> None:
    feed(text)


SIGNS = (":", ": ", "\n", "\n  ", "\n    ", "- ", "[", "]", "{", "}", ", ", "&a ", "*a", "<<: ", "!!set ", "!x ", "'", '"')
MORE = ("|", ">", "#", "? ", "~", "\t", "---\n", "...\n")


@COUNTS
@given(st.lists(st.sampled_from([*WORDS, *SIGNS, *MORE]), max_size=60))
def test_any_words_of_a_configuration(words: list[str]) -> None:
    feed("".join(words))


@COUNTS
@given(st.integers(0, len(VALID)), st.integers(0, 30), st.text(max_size=6))
def test_any_damage_to_a_right_file(at: int, gone: int, text: str) -> None:
    feed(VALID[:at] + text + VALID[at + gone :])


@settings(COUNTS, max_examples=60)
@given(st.binary(max_size=200))
@example(b"\xff\xfec\x00")
@example("cluster: é\n".encode("latin-1"))
@example(b"\xef\xbb\xbfcluster: pair\n")
@example(b"a: \x00\n")
def test_any_bytes_in_a_file(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    file = tmp_path_factory.mktemp("fuzz") / "cluster.yaml"
    file.write_bytes(data)
    file.chmod(0o644)
    try:
        config.load(str(file))
    except ConfigError as error:
        judge(data.decode(errors="replace"), error)


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(1 << 200), 1 << 200),
    st.integers(0, 300),
    st.floats(),
    st.dates(dt.date(1000, 1, 1)),
    st.binary(max_size=8),
    st.sampled_from(WORDS),
    st.text(max_size=12),
    st.sampled_from(["~tcp", "~", "[key]", "/", "..", "10.0.0.1", "192.168.0.0/24", "fd00::1%x", "\0", "a\nb", "x" * 3000]),
)
KEYS = st.one_of(
    st.sampled_from(WORDS), st.integers(), st.text(max_size=8), st.none(), st.booleans(), st.floats(allow_nan=False)
)


def nest(below: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(below, max_size=3) | st.dictionaries(KEYS, below, max_size=3) | st.sets(st.sampled_from(WORDS))


VALUES = st.recursive(SCALARS, nest, max_leaves=8)


def containers(node: Any, seen: set[int] | None = None) -> Iterator[Any]:  # noqa: ANN401 - a tree of any shape
    seen = set() if seen is None else seen
    if isinstance(node, dict | list) and id(node) not in seen:
        seen.add(id(node))
        yield node
        for below in list(node.values()) if isinstance(node, dict) else list(node):
            yield from containers(below, seen)


def mutate(document: Any, chance: random.Random, value: Any, key: Any) -> None:  # noqa: ANN401 - a tree of any shape
    """Change one place: delete, replace, duplicate under another key, add, or point at another place (alias, recursive)."""
    every = list(containers(document))
    node = chance.choice(every)
    places = list(node) if isinstance(node, dict) else list(range(len(node)))
    what = chance.choice(["delete", "replace", "copy", "add", "alias"])
    other = chance.choice(every) if what == "alias" else value
    if not places or what == "add":
        place = key
    else:
        place = chance.choice(places)
        other = node[place] if what == "copy" else other
    if what == "delete" and places:
        del node[place]
    elif isinstance(node, dict):
        node[key if what in ("copy", "add") else place] = other
    elif what in ("copy", "add") or not places:
        node.append(other)
    else:
        node[place] = other


def tree(text: str) -> Any:  # noqa: ANN401 - a tree of any shape
    return YAML(typ="safe", pure=True).load(text)


def written(document: Any) -> str | None:  # noqa: ANN401 - a tree of any shape
    yaml = YAML(typ="safe", pure=True)
    stream = io.StringIO()
    try:
        yaml.dump(document, stream)
    except Exception:  # noqa: BLE001 - what the writer cannot write is not a file
        return None
    return stream.getvalue()


def test_any_mutation_of_a_right_document() -> None:
    right: list[Cluster] = []

    @settings(COUNTS, max_examples=200)
    @given(st.integers(0, 1 << 32), st.lists(st.tuples(VALUES, KEYS), min_size=1, max_size=4))
    def mutated(seed: int, changes: list[tuple[Any, Any]]) -> None:
        text = damaged(seed, changes)
        cluster = feed(text) if text is not None else None
        if cluster is not None:
            right.append(cluster)
            assert_dumped_is_the_same(cluster)

    mutated()
    assert right  # most mutations make it wrong


def damaged(seed: int, changes: list[tuple[Any, Any]]) -> str | None:
    """Give a right document with some values and keys replaced."""
    chance = random.Random(seed)  # noqa: S311 - a test
    document = tree(VALID)
    for value, key in changes:
        mutate(document, chance, value, key)
    return written(document)


def assert_dumped_is_the_same(cluster: Cluster) -> None:
    stream = io.StringIO()
    parsing.dump(cluster, stream)
    again = parsing.parse(stream.getvalue())
    assert replace(again, services=cluster.services) == cluster
    assert again.services.keys() == cluster.services.keys()


def test_a_file_that_others_can_write_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "cluster.yaml"
    file.write_text(VALID)
    for mode in (0o664, 0o646, 0o666):
        file.chmod(mode)
        with pytest.raises(UnsafeFile, match=f"chmod go-w {file}"):
            config.load(str(file))
    file.chmod(0o644)
    assert config.load(str(file)).cluster == "pair"


def test_what_is_no_plain_file_is_not_read(tmp_path: Path) -> None:
    for path in (tmp_path, Path("/dev/zero")):
        with pytest.raises(UnsafeFile, match="not a plain file"):
            config.load(str(path))


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"No such file or directory; name the file with -f FILE"):
        config.load(str(tmp_path / "cluster.yaml"))


def test_a_huge_file_is_refused_without_reading_it_all(tmp_path: Path) -> None:
    file = tmp_path / "cluster.yaml"
    file.write_bytes(("# é\n" * 400_000).encode())
    file.chmod(0o644)
    with pytest.raises(ConfigError, match="larger than 65536 bytes"):
        config.load(str(file))
