"""Backend `nvmesh`: exclusive attachments of NVMesh, by the host commands of its 1.x and 2.x releases.

The commands' exit codes are not to be trusted, and their JSON may come on stderr; /proc decides (docs/backends.md). A host is
told nothing about a volume it has not attached, so for such a volume asking is trying: a plain attach that is denied says
that another host holds it.
"""

import json
import re
from typing import Any, Literal, Self

from pydantic import model_validator

from nvkeep.errors import CommandError, Denied, StepError, Transient
from nvkeep.host import Completed, Host
from nvkeep.model.decision import Holder
from nvkeep.model.names import wrong
from nvkeep.model.plan import Steps, steps
from nvkeep.model.spec import VolumeSpec
from nvkeep.probes import nvmesh as probe
from nvkeep.reconcilers.backends.base import Ask, Backend, Holding, Volume

ATTACH = ("nvmesh_attach_volumes", "--json", "--access", probe.EXCLUSIVE)
DETACH = ("nvmesh_detach_volumes", "--json")
TIMEOUT = 30.0  # seconds; the commands queue behind a lock of the whole host
NAME = re.compile(r"(?!e_|d_|-)[A-Za-z0-9_+=-]{1,24}")
DENIALS = ("reservation mode denied", "access mode denied", "reservation mode requested denied")
PASSING = re.compile(r"\b(access version outdated|update failed|pending|duplicate request|busy)\b")


class NvmeshVolume(VolumeSpec):
    """An NVMesh volume; `name` is NVMesh's own name for it."""

    backend: Literal["nvmesh"] = "nvmesh"

    @model_validator(mode="after")
    def _name_fits(self) -> Self:
        if not NAME.fullmatch(self.name):
            raise wrong(
                f'"{self.name}" is not a volume name',
                "use up to 24 letters, digits, _ + = -, not starting with - e_ d_",
            )
        return self

    @property
    def device(self) -> str:
        """The node NVMesh's client makes."""
        return f"/dev/nvmesh/{self.name}"


class NvmeshBackend(Backend):
    """Exclusive attachment; a preempting attach fences the host that was attached."""

    Spec = NvmeshVolume

    def observe(self, host: Host, ask: Ask) -> Volume | None:
        """Read the client's own state of the volume."""
        seen = probe.read(host, ask.nvmesh.proc, ask.spec.name)
        return None if seen is None else Volume(ask.spec.device, _mode(seen), seen.io, seen.status)

    def holder(self, host: Host, ask: Ask) -> Holding:
        """Attached exclusively: me. Preempted: another. Not attached: only trying tells."""
        seen = probe.read(host, ask.nvmesh.proc, ask.spec.name)
        if seen is None:
            return Holding(Holder.UNTOLD)
        word = {"exclusive": Holder.ME, "preempted": Holder.ANOTHER}.get(_mode(seen), Holder.UNTOLD)
        return Holding(word, version=seen.version)

    def acquire(self, ask: Ask) -> Steps:
        """Attach exclusively, without preempting."""
        return steps((*ATTACH, ask.spec.name), timeout=TIMEOUT)

    def release(self, ask: Ask, have: Volume) -> Steps:  # noqa: ARG002 - every mode is detached in the same way
        """Detach."""
        return steps((*DETACH, ask.spec.name), timeout=TIMEOUT)

    def seize(self, ask: Ask, version: int | None) -> Steps:  # noqa: ARG002 - these commands name no version
        """Attach exclusively, preempting the holder."""
        return steps((*ATTACH, "--preempt", ask.spec.name), timeout=TIMEOUT)

    def isolate(self, ask: Ask, have: Volume) -> Steps:  # noqa: ARG002 - every mode is detached in the same way
        """Detach by force: nothing is mounted any more, and the volume is another host's."""
        return steps((*DETACH, "--force", ask.spec.name), timeout=TIMEOUT)

    def judge(self, done: Completed) -> StepError | None:
        """Read the answer; an error counts before a status (NVMesh 2.4.0 says "IO Enabled" and denies)."""
        if not done.argv[0].startswith("nvmesh_"):
            return None
        words = " ".join(_words(done)).lower()
        said = CommandError(done.argv, done.code, " ".join(_words(done)))
        if any(word in words for word in DENIALS):
            return Denied(str(said))
        return Transient(str(said)) if PASSING.search(words) else said


def _mode(seen: probe.Entry) -> str:
    if seen.preempted:
        return "preempted"
    if seen.detaching:
        return "detaching"
    return {probe.EXCLUSIVE: "exclusive", None: "unknown"}.get(seen.reservation, "shared")


def _words(done: Completed) -> list[str]:
    """Give what was said of the volume, then of the whole; plain text where it is not JSON."""
    answer = answer_of(done)
    if answer is None:
        return [(done.err or done.out).strip()]
    volumes = answer.get("volumes")
    mine = volumes.get(done.argv[-1], {}) if isinstance(volumes, dict) else {}
    told = [mine.get("error"), mine.get("status"), answer.get("error")] if isinstance(mine, dict) else [answer.get("error")]
    return [str(word) for word in told if word]


def answer_of(done: Completed) -> dict[str, Any] | None:
    """Find the JSON among whatever else the command printed, on stdout or stderr; None when there is none."""
    for text in (done.out, done.err):
        start, end = text.find("{"), text.rfind("}")
        try:
            found = json.loads(text[start : end + 1]) if 0 <= start < end else None
        except ValueError:
            continue
        if isinstance(found, dict):
            return found
    return None


BACKEND = NvmeshBackend()
