"""One host of the cluster, this one or another: the same commands, run here or by ssh."""

import os
from typing import NamedTuple

from nvkeep import __version__
from nvkeep.errors import CommandTimeout, Unreachable
from nvkeep.host import Completed, Host, lines
from nvkeep.host.base import NO_SUCH_PROGRAM
from nvkeep.host.ssh import Peer, json_of
from nvkeep.model.finding import Finding
from nvkeep.setup import order as orders
from nvkeep.setup.order import DIRECTORY, FILE, STAGED, Order
from nvkeep.setup.steps import Ended
from nvkeep.setup.survey import INSTALL, Survey, clock

AGENT = "SSH_AUTH_SOCK"  # no command of nvkeep is given it: what runs at night has none either
MINE = "with the keys of root on this host; your ssh agent is not asked"
SURVEY_TIMEOUT_S = 120.0  # for a survey; keepalived is asked, and so are the tools of the storage
STEP_TIMEOUT_S = 400.0  # for a step; the longest waits for a service to be released
MOST_SKEW_S = 3.0  # that a clock may differ: nothing is decided by it, but two logs should be read side by side


class Look(NamedTuple):
    """What was seen of a host. `survey` is None where it could not be looked at; `warnings` keep nobody from going on."""

    name: str
    survey: Survey | None
    unmet: tuple[Finding, ...]
    warnings: tuple[Finding, ...] = ()


class Member:
    """A host, by its name in cluster.yaml."""

    def __init__(self, host: Host, name: str, order: Order) -> None:
        self.host = host
        self.name = name
        self.order = order
        self.peer = None if name == host.name else Peer(host, name)

    def look(self) -> Look:
        """Send the order there, and look at the host. Raises nothing that another host can be blamed for."""
        try:
            return self._strange() or self._unsent() or self._looked()
        except Unreachable as error:
            return Look(self.name, None, (self._unreachable(error),))

    def step(self, name: str) -> Ended:
        """Let the host do one step. What goes wrong is reported, not raised: the others have to be taken back."""
        try:
            done = self._run(("nvkeep", "setup", "--step", name, "--digest", self.order.digest, *self._boot()), STEP_TIMEOUT_S)
        except (Unreachable, CommandTimeout) as error:
            return Ended(well=False, lines=(str(error),))
        texts = tuple(line.removeprefix("nvkeep: ") for line in lines(done.out + done.err) if line.strip())
        return Ended(not done.code, texts or ((f"`nvkeep setup --step {name}` ended with {done.code}",) if done.code else ()))

    def clear(self) -> None:
        """Leave no trace of the order there; where that cannot be, the next setup replaces it."""
        if self.peer:
            self.step("clear")
        else:
            orders.clear(self.host, self.order.digest)

    def _boot(self) -> tuple[str, ...]:
        known = {None: (), True: ("--keepalived-at-boot",), False: ("--no-keepalived-at-boot",)}
        return known[self.order.at_boot]

    def _strange(self) -> Look | None:
        """Return whether the host has another nvkeep than this one, which would not understand the rest."""
        if not self.peer:
            return None
        done = self._run(("nvkeep", "--version"), SURVEY_TIMEOUT_S)
        mine, theirs = f"nvkeep {__version__}", done.out.strip()
        if done.code == NO_SUCH_PROGRAM:
            why = f"it is not installed; {self.host.name} has {__version__}"
        elif done.code or theirs != mine:
            why = f"it is {theirs or done.err.strip() or 'without a version'}, and {self.host.name} has {mine}"
        else:
            return None
        return Look(self.name, None, (Finding("nvkeep", why, INSTALL),))

    def _unreachable(self, error: Unreachable) -> Finding:
        """Name a command that fails as nvkeep does: an agent that somebody brought along would let it succeed."""
        why = f"cannot reach {self.name} over ssh: {error.said}"
        if error.fix:
            return Finding("ssh", why, error.fix)
        if AGENT in os.environ:
            return Finding("ssh", f"{why} ({MINE})", f"env -u {AGENT} ssh -o BatchMode=yes {self.name} true")
        return Finding("ssh", why, f"ssh {self.name} true")

    def _looked(self) -> Look:
        before = clock(self.host)
        done = self._run(
            ("nvkeep", "setup", "--check", "--json", "-f", FILE, "--as", self.name, *self._boot()), SURVEY_TIMEOUT_S
        )
        try:
            survey = Survey.parse(json_of(self.name, done))
        except (ValueError, TypeError, KeyError):
            message = " ".join((done.err or done.out).split()) or "no message"
            why = f"`nvkeep setup --check` ended with {done.code}: {message}"
            return Look(self.name, None, (Finding("nvkeep", why, f"nvkeep setup --check -f {FILE}"),))
        return Look(self.name, survey, survey.unmet, self._skew(survey.clock, before, clock(self.host)))

    def _unsent(self) -> Look | None:
        """Send the order there; tell why it could not be written. Raises Unreachable only where ssh itself is why."""
        if not self.peer:
            return None  # it waits here: it is what is sent
        done = self.peer.run(("install", "-d", "-m", "700", "--", STAGED))
        if done.code:  # install(1) tells of the mode that it could not set; mkdir(1) tells why
            return self._unwritten(self.peer.run(("mkdir", "-p", "--", STAGED)).err or done.err)
        try:
            self.peer.put(FILE, FILE)
        except Unreachable as error:  # scp gives the same exit code for either
            self.peer.run(("rm", "-f", "--", FILE))  # half of it may be there
            return self._unwritten(error.said)
        return None

    def _unwritten(self, message: str) -> Look:
        why = f"cannot write a file there: {' '.join(message.split()) or 'no message'}"
        return Look(self.name, None, (Finding(DIRECTORY, why, f"df {DIRECTORY}; findmnt -T {DIRECTORY}"),))

    def _skew(self, there: float, before: float, after: float) -> tuple[Finding, ...]:
        off = min(0.0, there - before) or max(0.0, there - after)
        if abs(off) <= MOST_SKEW_S:
            return ()
        why = f"it is {abs(off):.0f} s {'ahead of' if off > 0 else 'behind'} that of {self.host.name}"
        return (Finding("clock", why, "timedatectl set-ntp true"),)

    def _run(self, argv: tuple[str, ...], timeout: float) -> Completed:
        return self.peer.run(argv, timeout) if self.peer else self.host.run(argv, timeout)
