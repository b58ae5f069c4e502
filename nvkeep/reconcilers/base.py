"""The contract of a kind, on one page. A kind says; the engine runs, retries, orders, verifies and logs.

    equip(host, spec) -> Spec               see which tools the host has, where that changes the commands
    observe(host, spec) -> State | None     look, change nothing; None = absent; ProbeError = cannot tell
    desired(spec) -> State                  what observe gives when all is well
    acquire(spec) -> Steps                  from absent to desired
    release(spec, have) -> Steps            from what is there to absent
    adjust(spec, have) -> Steps | None      from what is there to desired while in use; None = needs a fresh start
    seize(spec, version) -> Steps | None    take it from the host that holds it; None = not a thing one can seize
    isolate(spec, have) -> Steps            like release, without waiting for a flush that cannot succeed
    cut(spec, have) -> Steps                before what stands on it is isolated: let I/O that waits for ever fail
    settled(spec, have, verb) -> bool       a move has brought what it is for
    pending(have, leaving) -> bool          on its way already: only look again
    taken(have) -> bool                     it is here, and another host's
    ours(spec, have) -> bool                it shows that this host has served
    broken(spec, have) -> str               why it needs a fresh start, although what is asked has not changed; else empty
    called(spec, name) -> str               the name that people know it by
    confirm(spec, verb) -> float            seconds after which a success has to be seen once more
    judge(spec, done) -> StepError          a command that failed: denied, worth another try, or neither
    failure(host, spec) -> str              why the resource is not there although every command succeeded
    prerequisites(host, specs, thorough)    what this host needs for them, and whether it has it
    elsewhere(host, spec) -> Lack | str     a sign that another host has it, while nobody may; else what was seen

Only those with `host` look at it; the rest is pure, so its tests are tables. State is a flat frozen type; fields
marked compare=False are reported, not compared.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Generic, TypeVar

from nvkeep.errors import CommandError, StepError
from nvkeep.host import Completed, Host
from nvkeep.model.finding import Found, Lack
from nvkeep.model.plan import Step, Steps, Verb, steps

__all__ = ["Kind", "Step", "Steps", "Verb", "steps"]

Spec = TypeVar("Spec")
State = TypeVar("State")


class Kind(ABC, Generic[Spec, State]):
    """One kind of resource; one file each."""

    name: str
    title: str  # what the reports for people call it
    turn: int  # on a host that isolates itself: what is reached from outside goes first (0), what the rest stands on last
    keeps: bool = False  # while it is here, what it stands on stays, also on a host that isolates itself
    disturbed: bool = False  # looking at it takes from whoever brings it up
    hurry: float = math.inf  # seconds this may take on a host that isolates itself, where that is less than a step

    def equip(self, host: Host, spec: Spec) -> Spec:  # noqa: ARG002 - part of the contract
        """See which tools the host has."""
        return spec

    @abstractmethod
    def observe(self, host: Host, spec: Spec) -> State | None:
        """Look. Raises ProbeError when it cannot be determined."""

    @abstractmethod
    def desired(self, spec: Spec) -> State:
        """Give what observe gives when all is well."""

    @abstractmethod
    def acquire(self, spec: Spec) -> Steps:
        """Go from absent to desired."""

    @abstractmethod
    def release(self, spec: Spec, have: State) -> Steps:
        """Go from what is there to absent."""

    def adjust(self, spec: Spec, have: State) -> Steps | None:  # noqa: ARG002 - part of the contract
        """Go from what is there to desired while in use; None: a fresh start is needed."""
        return None

    def seize(self, spec: Spec, version: int | None) -> Steps | None:  # noqa: ARG002 - part of the contract
        """Take it from the host that holds it."""
        return None

    def isolate(self, spec: Spec, have: State) -> Steps:
        """Release at once."""
        return self.release(spec, have)

    def cut(self, spec: Spec, have: State) -> Steps:  # noqa: ARG002 - part of the contract
        """Let I/O that would wait for ever fail, so that nobody has to wait for it; it stays where it is."""
        return ()

    def settled(self, spec: Spec, have: State | None, verb: Verb) -> bool:
        """Return whether a move has brought what it is for."""
        return have == (None if verb.leaves else self.desired(spec))

    def pending(self, have: State | None, *, leaving: bool) -> bool:  # noqa: ARG002 - part of the contract
        """Return whether it is on its way already."""
        return False

    def taken(self, have: State | None) -> bool:  # noqa: ARG002 - part of the contract
        """Return whether another host has by now what this one was given."""
        return False

    def ours(self, spec: Spec, have: State | None) -> bool:  # noqa: ARG002 - part of the contract
        """Return whether it shows that this host has served."""
        return False

    def broken(self, spec: Spec, have: State | None) -> str:  # noqa: ARG002 - part of the contract
        """Say why it needs a fresh start although what is asked has not changed; empty when it does not."""
        return ""

    def called(self, spec: Spec, name: str) -> str:  # noqa: ARG002 - part of the contract
        """Give the name that people know it by."""
        return name

    def confirm(self, spec: Spec, verb: Verb) -> float:  # noqa: ARG002 - part of the contract
        """Give the seconds after which a success has to be seen once more."""
        return 0.0

    def judge(self, spec: Spec, done: Completed) -> StepError:  # noqa: ARG002 - part of the contract
        """Say what a failed command means."""
        return CommandError(done.argv, done.code, done.err or done.out)

    def failure(self, host: Host, spec: Spec) -> str:  # noqa: ARG002 - part of the contract
        """Say why it is not there although every command succeeded."""
        return "every command succeeded, but it is not there"

    def prerequisites(self, host: Host, specs: Sequence[Spec], *, thorough: bool) -> Iterator[Found]:  # noqa: ARG002 - contract
        """Look at what this host needs for all of these; `thorough`: also at what takes a moment. Changes nothing."""
        yield from ()

    def elsewhere(self, host: Host, spec: Spec) -> Lack | str:  # noqa: ARG002 - part of the contract
        """Look for a sign that another host has it, while nobody may; empty: there is nothing to look at."""
        return ""
