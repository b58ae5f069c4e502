"""The kind `volume`: a block device that this host, and no other, may write to. Each backend knows how."""

from nvkeep.errors import StepError
from nvkeep.host import Completed, Host
from nvkeep.model.plan import Verb
from nvkeep.reconcilers.backends import backend_of
from nvkeep.reconcilers.backends.base import Ask, Holding, Volume
from nvkeep.reconcilers.base import Kind, Steps


class VolumeKind(Kind[Ask, Volume]):
    """Held exclusively by this host, doing I/O."""

    name = "volume"

    def equip(self, host: Host, spec: Ask) -> Ask:
        """Let the backend see which tools the host has."""
        return backend_of(spec.spec).equip(host, spec)

    def observe(self, host: Host, spec: Ask) -> Volume | None:
        """Look through the volume's backend."""
        return backend_of(spec.spec).observe(host, spec)

    def holder(self, host: Host, spec: Ask) -> Holding:
        """Ask the backend who may write. Raises ProbeError."""
        return backend_of(spec.spec).holder(host, spec)

    def desired(self, spec: Ask) -> Volume:
        """Give the state asked for."""
        return Volume(spec.spec.device)

    def acquire(self, spec: Ask) -> Steps:
        """Take without preempting."""
        return backend_of(spec.spec).acquire(spec)

    def release(self, spec: Ask, have: Volume) -> Steps:
        """Give back."""
        return backend_of(spec.spec).release(spec, have)

    def adjust(self, spec: Ask, have: Volume) -> Steps | None:  # noqa: ARG002 - the mode alone decides
        """Held, but not doing I/O yet: nothing to run. Held in another way: a fresh start."""
        return () if have.mode == "exclusive" else None

    def seize(self, spec: Ask, version: int | None) -> Steps | None:
        """Take from the host that holds."""
        return backend_of(spec.spec).seize(spec, version)

    def isolate(self, spec: Ask, have: Volume) -> Steps:
        """Release at once."""
        return backend_of(spec.spec).isolate(spec, have)

    def cut(self, spec: Ask, have: Volume) -> Steps:
        """Let the backend end I/O that waits."""
        return backend_of(spec.spec).cut(spec, have)

    def pending(self, have: Volume | None, *, leaving: bool) -> bool:
        """Being detached, or held and waiting for its first I/O."""
        if have is None:
            return False
        return have.mode == "detaching" if leaving else have.mode == "exclusive" and not have.io

    def taken(self, have: Volume | None) -> bool:
        """Preempted: the storage gave it to another host."""
        return have is not None and have.mode == "preempted"

    def confirm(self, spec: Ask, verb: Verb) -> float:
        """Let the backend say whether one look is enough."""
        return backend_of(spec.spec).confirm(spec, verb)

    def judge(self, spec: Ask, done: Completed) -> StepError:
        """Let the backend read what its command said."""
        return backend_of(spec.spec).judge(done) or super().judge(spec, done)
