"""Backend `nvmesh`: exclusive attachments of NVMesh, in all its eras.

Two transports, chosen by what the host has: the host commands of 1.x and 2.x (`nvmesh_attach_volumes`; the oldest answer in
plain text only), and the `nvmesh client` command of 3.x, which speaks to the management server. Exit codes and successes are
not to be trusted (the one lies, the other is only recorded): /proc decides, for both. Facts and sources: docs/backends.md.

The old commands say nothing about a volume that this host has not attached, so asking is trying: a plain attach that is
denied shows that another host holds it.
"""

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Literal, NamedTuple

from nvkeep.errors import CommandError, Denied, NvkeepError, StepError, Transient
from nvkeep.host import Completed, Host, load
from nvkeep.model.decision import Holder
from nvkeep.model.finding import Lack
from nvkeep.model.names import check_name
from nvkeep.model.plan import Steps, Verb, steps
from nvkeep.model.spec import VolumeSpec
from nvkeep.probes import nvmesh as probe
from nvkeep.probes.tool import Tool
from nvkeep.reconcilers.backends.base import Ask, Backend, Holding, Volume

COMMAND_TIMEOUT_S = 30.0  # the old commands queue behind a lock of the whole host
ANSWER_TIMEOUT_S = 2.0  # for the management server to say who holds
RACE_S = 1.0  # when two hosts attach a free volume through 3.x, both may get a success, and the later one has it
NAME = r"(?!e_|d_|-)[A-Za-z0-9_+=-]{1,24}"
DENIALS = (
    r"(reservation|access) mode (requested )?denied|use the preempt flag|(does not|doesn't) comply"
    r"|reservation version (mismatch|is outdated)"
)
PASSING = r"\b(access version outdated|update failed|pending|duplicate request|busy|during update|initializing)\b"
OLD, OLDEST, NEW = "host", "host without JSON", "client"
OLD_COMMAND, NEW_COMMAND = "/usr/bin/nvmesh_attach_volumes", "/usr/bin/nvmesh"


class NvmeshVolume(VolumeSpec):
    """An NVMesh volume; `name` is NVMesh's own name for it."""

    backend: Literal["nvmesh"] = "nvmesh"

    def __post_init__(self) -> None:
        check_name(self.name, "use up to 24 letters, digits, _ + = -, not starting with - e_ d_", pattern=NAME)

    @property
    def device(self) -> str:
        """The node NVMesh's client makes."""
        return f"/dev/nvmesh/{self.name}"


class Transport(NamedTuple):
    """How to say it: attach(ask, preempting, version) and detach(ask, force)."""

    attach: Callable[[Ask[NvmeshVolume], bool, int | None], tuple[str, ...]]
    detach: Callable[[Ask[NvmeshVolume], bool], tuple[str, ...]]


def _old_attach(ask: Ask[NvmeshVolume], preempting: bool, _: int | None) -> tuple[str, ...]:
    preempt = ("--preempt",) if preempting else ()
    return ("nvmesh_attach_volumes", *_json(ask), "--access", probe.EXCLUSIVE, *preempt, ask.spec.name)


def _old_detach(ask: Ask[NvmeshVolume], force: bool) -> tuple[str, ...]:
    return ("nvmesh_detach_volumes", *_json(ask), *(("--force",) if force else ()), ask.spec.name)


def _json(ask: Ask[NvmeshVolume]) -> tuple[str, ...]:
    return () if ask.tools == OLDEST else ("--json",)


def _client(verb: str, ask: Ask[NvmeshVolume], *more: str) -> tuple[str, ...]:
    who = ("--id", ask.client or ask.host, "--volume", ask.spec.name)
    return ("nvmesh", "client", verb, *who, *more, "--wait", "--timeout", f"{COMMAND_TIMEOUT_S - 5:.0f}")


def _new_attach(ask: Ask[NvmeshVolume], preempting: bool, version: int | None) -> tuple[str, ...]:
    known = ("--reservation-version", str(version)) if version is not None else ()
    return _client("attach", ask, "--mode", probe.EXCLUSIVE, *((*known, "--preempt") if preempting else ()))


def _new_detach(ask: Ask[NvmeshVolume], force: bool) -> tuple[str, ...]:
    return _client("detach", ask, *(("--force",) if force else ()))


HOST_COMMANDS = Transport(_old_attach, _old_detach)
TRANSPORTS = {OLD: HOST_COMMANDS, OLDEST: HOST_COMMANDS, NEW: Transport(_new_attach, _new_detach)}


class NvmeshBackend(Backend[NvmeshVolume]):
    """Exclusive attachment; a preempting attach fences the host that was attached."""

    Spec = NvmeshVolume
    betrayed = True
    tools = (Tool(("nvmesh_attach_volumes", "--help"), "install the NVMesh client; 3.x: the package nvmesh-utils"),)

    def tools_of(self, host: Host, ask: Ask[NvmeshVolume]) -> tuple[Tool, ...]:
        """Ask for the command of the transport that is used."""
        new = Tool(("nvmesh", "--version"), "install the package nvmesh-utils")
        return (new,) if (ask.tools or self.equip(host, ask).tools) == NEW else self.tools

    def lacking(self, host: Host, ask: Ask[NvmeshVolume]) -> Lack | None:
        """Look whether the client of NVMesh is ready; where the volume is known is the management server's to say."""
        why = probe.unready(host, ask.nvmesh.proc)
        return Lack(why, "systemctl status nvmeshclient") if why else None

    def equip(self, host: Host, ask: Ask[NvmeshVolume]) -> Ask[NvmeshVolume]:
        """Choose the transport, and the name under which this host is known to the management server."""
        new = host.exists(NEW_COMMAND) and not host.exists(OLD_COMMAND)
        return replace(ask, tools=NEW if new else _old(host), client=ask.nvmesh.clients.get(ask.host) or _hostname(host))

    def observe(self, host: Host, ask: Ask[NvmeshVolume]) -> Volume | None:
        """Read the client's own state of the volume."""
        seen = probe.read(host, ask.nvmesh.proc, ask.spec.name)
        return None if seen is None else Volume(ask.spec.device, seen.mode, seen.io, seen.status)

    def holder(self, host: Host, ask: Ask[NvmeshVolume]) -> Holding:
        """Attached exclusively: me. Preempted: another. Not attached: the management server tells, or only trying does."""
        seen = probe.read(host, ask.nvmesh.proc, ask.spec.name)
        mode, version = (seen.mode, seen.version) if seen else ("", None)
        if mode == "exclusive":
            return Holding(Holder.ME, ask.host, version)
        managed = _managed(host, ask) if ask.tools == NEW else None
        if mode == "preempted":
            return Holding(Holder.ANOTHER, managed.by if managed else "", managed.version if managed else version)
        return managed or Holding(Holder.UNTOLD, version=version)

    def acquire(self, ask: Ask[NvmeshVolume]) -> Steps:
        """Attach exclusively, without preempting."""
        return steps(TRANSPORTS[ask.tools or OLD].attach(ask, False, None), timeout=COMMAND_TIMEOUT_S)

    def release(self, ask: Ask[NvmeshVolume], have: Volume) -> Steps:  # noqa: ARG002 - every mode is detached in the same way
        """Detach."""
        return steps(TRANSPORTS[ask.tools or OLD].detach(ask, False), timeout=COMMAND_TIMEOUT_S)

    def seize(self, ask: Ask[NvmeshVolume], version: int | None) -> Steps:
        """Attach exclusively, preempting the holder; 3.x names the version that was read, so nobody else is preempted."""
        return steps(TRANSPORTS[ask.tools or OLD].attach(ask, True, version), timeout=COMMAND_TIMEOUT_S)

    def isolate(self, ask: Ask[NvmeshVolume], have: Volume) -> Steps:  # noqa: ARG002 - every mode is detached in the same way
        """Detach by force: nothing is mounted any more, and the volume is another host's."""
        return steps(TRANSPORTS[ask.tools or OLD].detach(ask, True), timeout=COMMAND_TIMEOUT_S)

    def confirm(self, ask: Ask[NvmeshVolume], verb: Verb) -> float:
        """Look once more a second after a plain attach through 3.x."""
        return RACE_S if ask.tools == NEW and verb is Verb.ACQUIRE else 0.0

    def judge(self, spec: Ask[NvmeshVolume], done: Completed) -> StepError:
        """Read the answer; an error counts before a status (NVMesh 2.4.0 says "IO Enabled" and denies)."""
        if not done.argv[0].startswith("nvmesh"):
            return super().judge(spec, done)
        answer = " ".join(probe.words_of(done))
        error, words = CommandError(done.argv, done.code, answer), answer.lower()
        if re.search(DENIALS, words):
            return Denied(str(error))
        return Transient(str(error)) if re.search(PASSING, words) else error


def _old(host: Host) -> str:
    """See whether the host commands know --json: their text tells at once, and where it does not, they are asked."""
    try:
        if "--json" in host.read(OLD_COMMAND):
            return OLD
        done = host.run((OLD_COMMAND.rpartition("/")[2], "--help"), ANSWER_TIMEOUT_S)
    except (OSError, NvkeepError):
        return OLD
    return OLD if "--json" in done.out + done.err else OLDEST


def _hostname(host: Host) -> str:
    try:
        return host.read("/proc/sys/kernel/hostname").strip()
    except OSError:
        return host.name


def _managed(host: Host, ask: Ask[NvmeshVolume]) -> Holding | None:
    """Ask the management server who holds; None when it does not say. Whoever is on record may attach again."""
    try:
        done = host.run(("nvmesh", "volume", "show", "-n", ask.spec.name, "-o", "json"), ANSWER_TIMEOUT_S)
        shown = load(done.out)
        (volume,) = shown if isinstance(shown, list) else [shown]
        held = volume["reservation"]
        mode, version, by = int(held["mode"]), int(held["version"]), str(held.get("reservedBy") or "")
    except (NvkeepError, ValueError, KeyError, TypeError, AttributeError):
        return None
    free = mode == 0 or by == (ask.client or ask.host)
    return Holding(Holder.NOBODY if free else Holder.ANOTHER, "" if free else by, version)


BACKEND = NvmeshBackend()
