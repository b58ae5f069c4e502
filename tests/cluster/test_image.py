"""The embedded backend: a lease and a loop device on an image that both servers see, with no storage product. Needs root."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from lab import base, places, protected
from lab.cluster import Lab
from lab.commands import run, until
from tests.cluster.conftest import Pair

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab.server import Server

IMAGE = "/shared/pg.img"
NODES = "c /dev/loop-control 0660 root disk - 10:237\n" + "".join(f"b /dev/loop{n} 0660 root disk - 7:{n}\n" for n in range(64))


def prepare(server: Server) -> None:
    """Give the container's /dev the loop devices that a server has, and the shared directory its image."""
    protected.prepare(server)
    server.write("/etc/tmpfiles.d/loop.conf", NODES)
    image = places.SHARED / "pg.img"
    if not image.exists():
        run(
            ("cp", "--reflink=auto", "--sparse=always", str(base.ensure() / "volume.img"), f"{image}.{server.name}"), timeout=60
        )
        (image.parent / f"{image.name}.{server.name}").rename(image)


@pytest.fixture
def images() -> Iterator[Pair]:
    volume = "volumes: [{name: vol1, backend: image, file: " + IMAGE + "}]"
    text = protected.config(reconcile=4).replace("volumes: [{name: vol1}]", volume)
    with Lab(config=text, prepare=prepare) as lab:
        yield Pair(lab)


def lease(server: Server) -> tuple[int, str | None]:
    (name,) = [path.name for path in server.path("/shared").glob("pg.img.lease.*")]
    return int(name.rpartition(".")[2]), json.loads(server.read(f"/shared/{name}"))["holder"]


def test_power_cut_and_return_on_an_image(images: Pair) -> None:
    dead, heir = images.active, images.other
    version, holder = lease(heir)
    assert holder == dead.name
    dead.power_cut()
    images.wait_serving(heir)
    assert lease(heir) == (version + 1, heir.name)
    dead.power_on()
    images.wait_ready(dead)
    images.more_rows()
    images.writer.stop()
    assert images.writer.lost() == 0
    assert not protected.serves(dead)


def test_lease_taken_by_hand_isolates_the_old_holder(images: Pair) -> None:
    loser, thief = images.active, images.other
    version, _ = lease(loser)
    loser.run(("nvkeep", "lease", "seize", IMAGE, thief.name, str(version)))
    until(lambda: not protected.serves(loser), within=5, what="it kept on serving")
    images.wait_serving(thief)
    images.more_rows()
    images.writer.stop()
    assert images.writer.lost() == 0
    assert "holder this host" in thief.run(("nvkeep", "status", "--local")).stdout
    assert loser.run(("ls", "/dev/nvkeep")).stdout == ""
