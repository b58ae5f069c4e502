"""docs/guides: every guide is typed as it stands there, from an empty pair to a takeover under a real client. Needs root."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lab.layers import Layer
from tests.cluster import standins
from tests.cluster.guides import Guide, Play

if TYPE_CHECKING:
    from collections.abc import Iterator

FLOATING = "10.77.0.10"
# The base has a PostgreSQL that is configured for the lab; this one is as the package makes it.
AS_DEBIAN = "pg_dropcluster 15 main; pg_createcluster 15 main > /dev/null; systemctl enable --quiet postgresql.service"
GUIDES = (
    Guide("postgresql", ("pgdata",), (("postgresql", FLOATING, 5432),), Layer(then=AS_DEBIAN)),
    Guide("mariadb", ("mysqldata",), (("mysql", FLOATING, 3306),), Layer(("mariadb-server",))),
    Guide(
        "nfs-ganesha",
        ("nfsdata",),
        (("nfs3", FLOATING, 2049), ("nfs4", FLOATING, 2049)),
        Layer(("nfs-ganesha", "nfs-ganesha-vfs")),
    ),
    Guide("beegfs", standins.VOLUMES, standins.CLIENTS, Layer(("xfsprogs",)), standins.install),
    Guide("any-unit", ("ledger",), (("lines", FLOATING, 7001), ("lines", FLOATING, 7002)), Layer()),
)


@pytest.fixture
def play(guide: Guide) -> Iterator[Play]:
    with guide.lab() as lab:
        yield Play(guide, lab)


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.name)
@pytest.mark.usefixtures("guide")
def test_a_guide_does_what_it_says(play: Play) -> None:
    play.run()
