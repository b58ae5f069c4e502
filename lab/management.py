"""The management servers of NVMesh 3.x: wishes are recorded at once and carried out later (nvmesh.md, 4)."""

from __future__ import annotations

import secrets
import threading
import time
import traceback
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lab import answers, statusfiles
from lab.reservations import MODES, NONE, SHARED_READ_WRITE, Answer, Request

if TYPE_CHECKING:
    from lab.attachment import Attachment, Host, Volume
    from lab.nvmesh import Nvmesh

TICK = 0.02
BETWEEN_LOOKS = 0.15  # seconds between two looks whether an open volume was closed
OK, REDIRECT, UNAUTHORIZED, UNPROCESSABLE, UNAVAILABLE, REFUSED = 200, 302, 401, 422, 503, 0
Reply = dict[str, object]


@dataclass(slots=True)
class Wish:
    """One attachment as the management wants it; `action` is None once it is so."""

    mode: str
    version: int
    action: str | None = "attaching"
    force: bool = False
    status: int = answers.ATTACHING
    due: float = 0.0


@dataclass(slots=True)
class Habits:
    """How the management behaves; every field can be changed through the control socket."""

    servers: dict[str, str] = field(default_factory=lambda: {"mgmt-1": "up", "mgmt-2": "up"})  # up, down, hang, 401, 503, ...
    slow: float = 0.0  # seconds before any answer
    delay: float = 0.02  # seconds from a recorded wish to its execution
    executes: bool = True  # or wishes are recorded and nothing ever comes of them
    race: float = 0.0  # seconds between the look at the reservation and its update
    resends: bool = True  # attachments that a host has lost are sent to it again
    domain: str = ""  # client ids are HOSTNAME.DOMAIN
    errors: str = "nested"  # one of lab.answers.SHAPES
    show: str = "list"  # of `show`: a list of instances, or one object
    fails: dict[str, int] = field(default_factory=dict)  # volume -> vol_status its attach ends with


class Management:
    """What all management servers share, and the sessions of each."""

    def __init__(self, mesh: Nvmesh) -> None:
        self.mesh = mesh
        self.habits = Habits()
        self.sessions: dict[str, set[str]] = {}
        self._bells = {name: threading.Event() for name in mesh.hosts}
        mesh.started.append(self.wake)
        for host in mesh.hosts.values():
            threading.Thread(target=self._keep, args=(host,), daemon=True).start()

    # --- calls, as REST answers them

    def call(self, server: str, name: str, session: str, body: dict[str, Any]) -> Reply:
        """Answer one call to one server: an HTTP code (0: connection refused) and a body."""
        state = self.habits.servers.get(server, "down")
        if state == "hang":
            threading.Event().wait()
        if state == "down":
            return {"code": REFUSED, "body": "Connection refused"}
        time.sleep(self.habits.slow)
        if state != "up":
            return {"code": int(state), "body": "no"}
        if name == "login":
            token = secrets.token_hex(8)
            self.sessions.setdefault(server, set()).add(token)
            return {"code": OK, "body": token}
        if session not in self.sessions.get(server, set()):
            return {"code": REDIRECT, "body": "/login"}
        return self._answer(name, body)

    def end_sessions(self, server: str) -> None:
        """Forget who is logged in to one server."""
        self.sessions.pop(server, None)

    def _answer(self, name: str, body: dict[str, Any]) -> Reply:
        match name:
            case "attach" | "detach":
                if not all(key in body for key in ("client", "clientUUID", "volumes")):
                    return {"code": UNPROCESSABLE, "body": "the body does not fit the schema"}
                one = self._attach if name == "attach" else self._detach
                return {"code": OK, "body": [self._item(one, body["client"], volume) for volume in body["volumes"]]}
            case "client":
                return {"code": OK, "body": [self._client(host) for host in self._chosen(body, self.mesh.hosts)]}
            case "volume":
                return {"code": OK, "body": [self._volume(volume) for volume in self._chosen(body, self.mesh.volumes)]}
        return {"code": 404, "body": "no such call"}

    def _chosen(self, body: dict[str, Any], every: dict[str, Any]) -> list[Any]:
        wanted = body.get("name")
        return [one for one in every.values() if wanted in (None, self.id_of(one.name))]

    def id_of(self, name: str) -> str:
        """Return the id under which a host is a client."""
        return f"{name}.{self.habits.domain}" if self.habits.domain and name in self.mesh.hosts else name

    def _host(self, client: str) -> Host | None:
        return next((host for host in self.mesh.hosts.values() if self.id_of(host.name) == client), None)

    def _item(self, one: Any, client: str, asked: dict[str, Any]) -> Reply:  # noqa: ANN401 - a method
        host, volume = self._host(client), self.mesh.volumes.get(asked["name"])
        number = 1608 if host is None else 1693 if volume is None else one(host, volume, asked)
        facts: dict[str, object] = {"client": client}
        if volume is not None:
            facts |= {"version": volume.reservation.version, "reservation": self._reservation(volume)}
        error = answers.error(number, self.habits.errors, **facts) if number else None
        item: Reply = {"_id": asked["name"], "uuid": statusfiles.volume_id(asked["name"]), "success": not number}
        return item | {"error": error, "payload": None}

    # --- wishes

    def _attach(self, host: Host, volume: Volume, asked: dict[str, Any]) -> int:
        if not host.ready:
            return 1621
        wanted = asked.get("reservation", {})
        mode = wanted.get("mode", SHARED_READ_WRITE)
        if mode not in MODES:
            return 1694
        others = bool(wanted.get("isDetachOthers"))
        request = Request(host.name, mode, int(wanted.get("version") or 0), bool(wanted.get("preempt")), others)
        answer = self._reserve(volume, request)
        facts = {"host": host.name, "volume": volume.name, "mode": mode, "version": volume.reservation.version}
        if not answer.granted:
            self.mesh.log("denied", **facts, holder=volume.reservation.reserved_by, why=answer.value)
            return answers.REFUSED[answer]
        if answer is Answer.PREEMPT and others:
            self._detach_others(host, volume)
        self.wake()
        return 0

    def _reserve(self, volume: Volume, request: Request) -> Answer:
        table = volume.reservation
        seen, answer = table.version, table.judge(request)
        time.sleep(self.habits.race)
        with volume.gate.exclusive():
            answer = table.update(request, answer, seen)
            if answer.granted:
                self._wish(request, volume)
        return answer

    def _wish(self, request: Request, volume: Volume) -> None:
        """Record what is wanted; under the gate of the volume, so that wish and reservation are one."""
        key, version = (request.host, volume.name), volume.reservation.version
        held = volume.attachments.get(request.host)
        fits = held is not None and not held.preempted and (held.mode, held.version) == (request.mode, version)
        action = None if fits else "re-attaching" if held else "attaching"
        status = answers.ATTACHED if fits else answers.RESERVATION_DENIED if held else answers.ATTACHING
        self.mesh.wishes[key] = Wish(request.mode, version, action, status=status, due=time.monotonic() + self.habits.delay)
        self.mesh.log("wish", host=request.host, volume=volume.name, mode=request.mode, version=version, action=action)

    def _detach_others(self, host: Host, volume: Volume) -> None:
        for name in self.mesh.hosts:
            other = volume.attachments.get(name)
            if name != host.name and (other or (name, volume.name) in self.mesh.wishes):
                self._unwish(name, volume, force=False)

    def _detach(self, host: Host, volume: Volume, asked: dict[str, Any]) -> int:
        held = volume.attachments.get(host.name)
        if held is None and (host.name, volume.name) not in self.mesh.wishes and host.name not in volume.reservation.attached:
            return 1622
        self._unwish(host.name, volume, force=bool(asked.get("force")))
        self.wake()
        return 0

    def _unwish(self, name: str, volume: Volume, *, force: bool) -> None:
        with volume.gate.exclusive():
            wish = self.mesh.wishes.setdefault((name, volume.name), Wish(NONE, 0))
            wish.action, wish.status, wish.force = "detaching", answers.DETACHING, force
            wish.due = time.monotonic() + self.habits.delay
        self.mesh.log("wish", host=name, volume=volume.name, action="detaching", force=force)

    # --- carrying them out

    def wake(self) -> None:
        """Let the wishes be looked at now."""
        for bell in self._bells.values():
            bell.set()

    def _keep(self, host: Host) -> None:
        bell = self._bells[host.name]
        while True:
            bell.wait(TICK if self._open(host) else None)
            bell.clear()
            for volume, wish in self._open(host):
                try:
                    if time.monotonic() >= wish.due:
                        self._step(host, volume, wish)
                except Exception:  # noqa: BLE001 - one wish must not keep the others from being carried out
                    traceback.print_exc()

    def _open(self, host: Host) -> list[tuple[Volume, Wish]]:
        if not self.habits.executes or not host.ready or host.cut:
            return []
        mine = [(self.mesh.volumes[name], wish) for (owner, name), wish in list(self.mesh.wishes.items()) if owner == host.name]
        return [(volume, wish) for volume, wish in mine if wish.action or self._lost(host, volume)]

    def _lost(self, host: Host, volume: Volume) -> bool:
        return self.habits.resends and host.name not in volume.attachments

    def _step(self, host: Host, volume: Volume, wish: Wish) -> None:
        held = volume.attachments.get(host.name)
        if wish.action == "detaching":
            if self._gone(held, wish):
                self._left(host, volume, wish)
        elif self._gone(held, wish):
            self._plug(host, volume, wish)

    def _gone(self, held: Attachment | None, wish: Wish) -> bool:
        """Detach, unless it is busy: then it goes once the last opener has closed it."""
        if held is None:
            return True
        if not wish.force and self.mesh.busy(held):
            if wish.status != answers.BUSY:
                self.mesh.log("busy", host=held.host.name, volume=held.volume.name, version=held.version)
            wish.status, wish.due = answers.BUSY, time.monotonic() + BETWEEN_LOOKS
            return False
        self.mesh.disconnect(held, force=wish.force, leave=False)
        return True

    def _left(self, host: Host, volume: Volume, wish: Wish) -> None:
        with volume.gate.exclusive():
            if self.mesh.wishes.get((host.name, volume.name)) is wish and wish.action == "detaching":
                del self.mesh.wishes[host.name, volume.name]
                volume.reservation.leave(host.name)

    def _plug(self, host: Host, volume: Volume, wish: Wish) -> None:
        fails = self.habits.fails.get(volume.name)
        if fails is not None:
            wish.status, wish.due = fails, time.monotonic() + BETWEEN_LOOKS
            return
        with volume.gate.exclusive():
            if self.mesh.wishes.get((host.name, volume.name)) is not wish:
                return
            action = wish.action
            fresh = self.mesh.register(host, volume, wish.mode, wish.version, action or "again")
        self.mesh.connect(fresh)
        with volume.gate.exclusive():  # the client has reported it; it may have been asked to detach meanwhile
            if wish.action == action:
                wish.action, wish.status = None, answers.ATTACHED

    # --- looking

    def _client(self, host: Host) -> Reply:
        shown: Reply = {"_id": self.id_of(host.name), "name": self.id_of(host.name)}
        shown |= {"uuid": statusfiles.volume_id(host.name), "client_status": 1 if host.ready else 5}
        wishes = {name: wish for (owner, name), wish in list(self.mesh.wishes.items()) if owner == host.name}
        attachments = {
            statusfiles.volume_id(name): {"name": name, "action": wish.action or "attached"} for name, wish in wishes.items()
        }
        return shown | {
            "managementAgentStatus": 1 if host.ready else 5,
            "block_devices": [self._device(host, volume, wishes.get(name)) for name, volume in self.mesh.volumes.items()
                              if host.name in volume.attachments or name in wishes],
            "attachments": attachments,
        }  # fmt: skip

    def _device(self, host: Host, volume: Volume, wish: Wish | None) -> Reply:
        held = volume.attachments.get(host.name)
        mode, version = (held.mode, held.version) if held else (wish.mode, wish.version) if wish else (NONE, 0)
        status = wish.status if wish else answers.ATTACHED
        return {
            "name": volume.name,
            "uuid": statusfiles.volume_id(volume.name),
            "vol_status": answers.AFTER_SHUTDOWN if wish and not host.ready else status,
            "ioEnabled": bool(held and held.alive and held.health.io_enabled),
            "is_hidden": False,
            "reservation": {"mode": answers.MODES.index(mode), "version": version, "preempt": False},
        }

    def _volume(self, volume: Volume) -> Reply:
        facts: Reply = {"_id": volume.name, "name": volume.name, "uuid": statusfiles.volume_id(volume.name)}
        return facts | {"status": "online", "reservation": self._reservation(volume)}

    def _reservation(self, volume: Volume) -> Reply:
        table = volume.reservation
        return {
            "mode": answers.MODES.index(table.mode),
            "version": table.version,
            "reservedBy": self.id_of(table.reserved_by) if table.reserved_by else None,
            "attachedClients": sorted(self.id_of(name) for name in table.attached),
        }
