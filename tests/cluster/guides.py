"""The guides of docs/guides: their sessions typed on a pair with nothing configured, while clients write from outside."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML

from lab import guest, remote
from lab.cluster import Lab
from lab.commands import LabError, until
from lab.guest import Guest
from lab.layers import Layer
from lab.steady import boottime
from tests.cluster import sessions
from tests.cluster.bare import FILE
from tests.cluster.stage import MEASURED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lab.server import Server
    from tests.cluster.sessions import Session

NAMES = ("srv-a", "srv-b")
# All that the lab's servers have elsewhere than real ones: nobody can make a directory in /proc.
ELSEWHERE = "nvmesh: {proc: /run/nvmesh-proc/nvmeibc}\n"
ROWS = 25
WAITS = "nfs3"  # the client that waits as a hard mount does, and would hand an error to its programs


@dataclass(frozen=True)
class Guide:
    """A page of docs/guides: what its servers have installed, and who its clients are: protocol, address and port."""

    name: str
    volumes: tuple[str, ...]
    clients: tuple[tuple[str, str, int], ...]
    layer: Layer
    prepare: Callable[[Server], None] | None = None

    @property
    def sessions(self) -> list[Session]:
        """Read them from the page; what the lab has elsewhere is added to cluster.yaml."""
        found = sessions.read((sessions.GUIDES / f"{self.name}.md").read_text(), f"{self.name}.md")
        for step in (step for session in found for step in session.steps):
            if step.feed and step.command.endswith(f" {FILE}"):
                step.feed += ELSEWHERE
        return found

    def lab(self) -> Lab:
        """Make the pair."""
        lab = Lab(NAMES, volumes=self.volumes, prepare=self._prepare)
        lab.layer = self.layer
        return lab

    def _prepare(self, server: Server) -> None:
        remote.enable(server, NAMES)
        if self.prepare:
            self.prepare(server)


@dataclass(frozen=True)
class Protected:
    """A service of a guide's cluster.yaml, and how it stands on a server, by what the server itself shows."""

    name: str
    spec: dict[str, Any]

    @property
    def volumes(self) -> list[str]:
        """Name its volumes."""
        return [volume["name"] for volume in self.spec["volumes"]]

    def present(self, server: Server) -> dict[str, bool]:
        """Say of each mount, address and unit whether a server has it."""
        mounted, addressed = server.read("/proc/1/mountinfo"), server.run(("ip", "-br", "addr")).stdout.split()
        units = self.spec["units"]
        active = server.run(("systemctl", "is-active", *units), check=False).stdout.split()
        return {
            **{one["path"]: f" {one['path']} " in mounted for one in self.spec["mounts"]},
            **{one["address"]: one["address"] in addressed for one in self.spec["addresses"]},
            **{unit: state == "active" for unit, state in zip(units, active, strict=True)},
        }

    def settled(self, lab: Lab, on: str) -> bool:
        """Return whether it is wholly on one server and not at all on the other, and both call that ok."""
        return all(
            set(self.present(server).values()) == {server.name == on} and self._ok(server, serves=server.name == on)
            for server in lab
        )

    def _ok(self, server: Server, *, serves: bool) -> bool:
        said = server.run(("nvkeep", "status", "--json", self.name), check=False).stdout
        (status,) = json.loads(said or "[{}]")
        return status.get("summary") == "ok" and (serves or str(status["role"]).startswith("BACKUP"))


class Play:
    """A guide that is typed in a lab, and the clients that write meanwhile."""

    def __init__(self, guide: Guide, lab: Lab) -> None:
        self.guide = guide
        self.lab = lab
        self.clients: list[Guest] = []

    def run(self) -> None:
        """Type it from its first line to its last; clients write from the first session on that says where it ends."""
        for session in self.guide.sessions:
            if session.said and not self.clients:
                self._start()
            began = boottime()
            sessions.type_all(self.lab, session)
            if self.clients:
                self._settle(session)
                self._measure(session.title, began)
        self._finish()

    def _start(self) -> None:
        tree = guest.tree()
        self.clients = [Guest(self.lab, tree, *client) for client in self.guide.clients]
        for client in self.clients:
            client.start()

    def _settle(self, session: Session) -> None:
        """Wait until every service is where the session leaves it, the other server stands by, and every client writes."""
        for server in self.lab:
            if not server.alive:
                server.power_on()
        for service, on in self._placed(session):
            self._wait(service, on)
            holders = {volume: self.lab.storage.holder(volume) for volume in service.volumes}
            assert set(holders.values()) == {on}, holders
        self._more_rows()

    def _placed(self, session: Session) -> Iterator[tuple[Protected, str]]:
        cluster = YAML(typ="safe").load(self.lab["srv-a"].read(FILE))
        for (name, spec), on in zip(cluster["services"].items(), session.ends.split(" and "), strict=True):
            yield Protected(name, spec), on

    def _wait(self, service: Protected, on: str) -> None:
        try:
            until(lambda: service.settled(self.lab, on), within=60, what=f"{service.name} is on {on} alone")
        except LabError as error:
            raise LabError(f"{error}: { {server.name: service.present(server) for server in self.lab} }") from error

    def _more_rows(self) -> None:
        before = {client.name: client.result().acknowledged for client in self.clients}
        for client in self.clients:
            until(partial(_wrote, client, before[client.name] + ROWS), within=60, what=f"{client.name}: no more rows")

    def _measure(self, title: str, began: float) -> None:
        for client in self.clients:
            times = (when for _, when in client.result().acks)
            gap = max(after - at for at, after in pairwise(times) if after > began)
            MEASURED.append(f"guide {self.guide.name}: {title}: longest gap of {client.name} {gap:.2f} s")

    def _finish(self) -> None:
        """Stop the clients and assert the end: no acknowledged row is lost, and no two servers had a volume at once."""
        assert self.clients, f"{self.guide.name}: no session says where the service is at its end"
        for client in self.clients:
            assert client.stop().acknowledged > ROWS, f"{client.name} wrote hardly anything"
        lost = {client.name: client.lost() for client in self.clients}
        assert not any(lost.values()), f"acknowledged, and not there: {lost}"
        errors = [client.file.with_suffix(".log").read_text() for client in self.clients if client.kind == WAITS]
        assert not any(errors), errors
        overlaps = {volume: self.lab.storage.overlaps(volume) for volume in self.lab.storage.volumes}
        assert not any(overlaps.values()), f"two servers had a volume: {overlaps}"


def _wrote(client: Guest, rows: int) -> bool:
    return client.result().acknowledged > rows
