"""The lease of an image on a real directory: never two holders, whatever happens at once or half-way."""

import json
import os
import threading
from pathlib import Path

import pytest

from nvkeep.host import LocalHost, lease
from nvkeep.host.lease import Lease, Refused

HOST = LocalHost("server01")


@pytest.fixture
def image(tmp_path: Path) -> str:
    file = tmp_path / "db.img"
    file.touch()
    return str(file)


def seen(image: str) -> Lease:
    return lease.read(HOST, image)


def leases(image: str) -> list[str]:
    return sorted(name for name in os.listdir(Path(image).parent) if "lease" in name)  # noqa: PTH208 - names are asked for


def test_take_keep_give_back(image: str) -> None:
    assert seen(image) == Lease(0, None)
    lease.acquire(HOST, image, "server01")
    assert seen(image) == Lease(1, "server01")
    lease.acquire(HOST, image, "server01")
    assert seen(image) == Lease(2, "server01")  # again: a seize that read version 1 comes too late
    with pytest.raises(lease.Refused):
        lease.seize(HOST, image, "server02", "1")
    lease.release(HOST, image, "server01")
    assert seen(image) == Lease(3, None)
    lease.acquire(HOST, image, "server02")
    assert seen(image) == Lease(4, "server02")
    assert leases(image) == ["db.img.lease.4"]


def test_another_s_lease_is_refused_and_stays(image: str) -> None:
    lease.acquire(HOST, image, "server01")
    with pytest.raises(Refused, match="held by server01"):
        lease.acquire(HOST, image, "server02")
    lease.release(HOST, image, "server02")
    assert seen(image) == Lease(1, "server01")


def test_a_seize_names_the_version_it_read(image: str) -> None:
    lease.acquire(HOST, image, "server01")
    with pytest.raises(Refused, match="version 1, not 0"):
        lease.seize(HOST, image, "server02", "0")
    lease.seize(HOST, image, "server02", "1")
    assert seen(image) == Lease(2, "server02")
    with pytest.raises(Refused, match="version 2, not 1"):
        lease.seize(HOST, image, "server03", "1")
    with pytest.raises(ValueError, match="invalid literal"):
        lease.seize(HOST, image, "server03", "newest")
    assert seen(image) == Lease(2, "server02")


def test_who_was_robbed_cannot_give_back_or_take(image: str) -> None:
    lease.acquire(HOST, image, "server01")
    lease.seize(HOST, image, "server02", "1")
    lease.release(HOST, image, "server01")
    with pytest.raises(Refused):
        lease.acquire(HOST, image, "server01")
    assert seen(image) == Lease(2, "server02")


def test_many_at_once_and_one_wins(image: str) -> None:
    hosts = ("server01", "server02", "server03")
    for _ in range(60):
        together = threading.Barrier(len(hosts))
        won: list[str] = []

        def race(host: str, together: threading.Barrier = together, won: list[str] = won) -> None:
            together.wait()
            try:
                lease.acquire(HOST, image, host)
            except Refused:
                return
            won.append(host)

        threads = [threading.Thread(target=race, args=(host,)) for host in hosts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert won == [seen(image).holder]
        lease.release(HOST, image, won[0])
    assert seen(image).version == 120


def test_two_seizing_at_once_and_one_wins(image: str) -> None:
    lease.acquire(HOST, image, "server00")
    for _ in range(40):
        version = str(seen(image).version)
        together = threading.Barrier(2)
        won: list[str] = []

        def race(host: str, version: str = version, together: threading.Barrier = together, won: list[str] = won) -> None:
            together.wait()
            try:
                lease.seize(HOST, image, host, version)
            except Refused:
                return
            won.append(host)

        threads = [threading.Thread(target=race, args=(host,)) for host in ("server01", "server02")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert won == [seen(image).holder]


def test_who_looked_long_ago_does_not_win(image: str) -> None:
    """Looked at version 0, slept; meanwhile 1 was taken and 2 given back, and the file of 1 is gone."""
    lease.acquire(HOST, image, "server02")
    lease.release(HOST, image, "server02")
    with pytest.raises(Refused):
        lease._take(HOST, image, "server01", 0)
    assert seen(image) == Lease(2, None)
    assert leases(image) == ["db.img.lease.2"]


def test_what_a_crash_leaves_does_not_matter(image: str) -> None:
    lease.acquire(HOST, image, "server01")
    lease.seize(HOST, image, "server02", "1")
    folder = Path(image).parent
    (folder / "db.img.lease.1").write_text(json.dumps({"holder": "server01"}))  # died between link and unlink
    (folder / ".db.img.abcdef").write_text('{"hol')  # died while writing
    (folder / "db.img.lease.x").write_text("")
    (folder / "db.img.lease.").write_text("")
    (folder / "other.img.lease.9").write_text(json.dumps({"holder": "server03"}))
    assert seen(image) == Lease(2, "server02")
    lease.release(HOST, image, "server02")
    assert seen(image) == Lease(3, None)


def test_versions_are_numbers_not_words(image: str) -> None:
    folder = Path(image).parent
    for version in (9, 10):
        (folder / f"db.img.lease.{version}").write_text(json.dumps({"holder": f"server{version}"}))
    assert seen(image) == Lease(10, "server10")


@pytest.mark.parametrize("text", ["", "{", "[]", "7", "null", "{}x", '{"holder": 7}', '{"holder": ["a"]}'])
def test_a_lease_that_cannot_be_read_is_an_error_and_nobody_takes_it(image: str, text: str) -> None:
    (Path(image).parent / "db.img.lease.4").write_text(text)
    for attempt in (
        lambda: seen(image),
        lambda: lease.acquire(HOST, image, "server01"),
        lambda: lease.seize(HOST, image, "server01", "4"),
    ):
        with pytest.raises(ValueError, match=r"."):
            attempt()
    assert leases(image) == ["db.img.lease.4"]


def test_a_lease_that_names_nobody_at_all_is_an_error(image: str) -> None:
    """Nobody is written as null; a file without the word is not the same."""
    (Path(image).parent / "db.img.lease.4").write_text("{}")
    with pytest.raises(ValueError, match="does not name a holder"):
        seen(image)


def test_without_the_image_nothing_is_known(image: str) -> None:
    lease.acquire(HOST, image, "server01")
    Path(image).unlink()
    with pytest.raises(FileNotFoundError, match="no image"):
        seen(image)
    with pytest.raises(FileNotFoundError, match="no image"):
        lease.acquire(HOST, image, "server01")
