"""All hosts or none: every host is looked at before any is changed, and what one cannot do is taken back on all."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TypeVar

from nvkeep.checks import consistency
from nvkeep.errors import NvkeepError
from nvkeep.host import Host
from nvkeep.model.spec import Cluster
from nvkeep.setup.member import Look, Member
from nvkeep.setup.steps import Ended

Say = Callable[[str], None]
Answer = TypeVar("Answer")
FINISH_ATTEMPTS = 2  # for what every host has to do last: a connection that broke off once is no reason to bother anybody
FORGET = "do not type nvkeep setup --undo there: it would restore that state; once the host answers, type again: nvkeep setup"


class Code(IntEnum):
    """How it ended; the exit codes of `nvkeep setup`."""

    DONE = 0
    LACKING = 1
    REFUSED = 2
    TAKEN_BACK = 3
    BROKEN = 4
    UNFINISHED = 5


@dataclass
class Rollout:
    """One order for several hosts. `begun` are those that may have been changed, in that order."""

    members: Sequence[Member]
    say: Say
    begun: list[Member] = field(default_factory=list)

    def look(self) -> list[Look]:
        """Look at every host at once."""
        return together(lambda member: member.look(), self.members)

    def clear(self) -> None:
        """Leave no trace on any host that can be reached."""
        together(lambda member: member.clear(), self.members)

    def carry_out(self, looks: Sequence[Look]) -> Code:
        """Change every host that needs it: files on one after the other, those that serve nothing first; then let them run."""
        ordered = self._ordered(looks)
        try:
            failed = self._files(ordered) or self._together("start", ordered) or self._together("lead", ordered)
        except BaseException:
            self._take_back()
            raise
        if not failed:
            return self._finish(ordered)
        for line in failed:
            self.say(line)
        return self._take_back()

    def _ordered(self, looks: Sequence[Look]) -> list[Member]:
        """Put hosts that serve last; leave out those on which nothing is to be changed."""
        seen = {look.name: look.survey for look in looks}
        due = [(member, survey) for member in self.members if (survey := seen[member.name]) and survey.changes]
        return [member for member, survey in sorted(due, key=lambda pair: bool(pair[1].serves))]

    def _files(self, members: Sequence[Member]) -> list[str]:
        """Put files in place, host by host; say what the first that could not said."""
        for member in members:
            self.begun.append(member)
            ended = member.step("commit")
            if not ended.well:
                return _named(member, ended)
            self.say(f"{member.name}: {'; '.join(ended.lines) or 'its files are in place'}")
        return []

    def _together(self, step: str, members: Sequence[Member]) -> list[str]:
        """Let all hosts do it at the same moment: so the preferred one is master, and not the first one."""
        ended = together(lambda member: member.step(step), members)
        failed = []
        for member, end in zip(members, ended, strict=True):
            if not end.well:
                failed += _named(member, end)
            for line in _named(member, end) if end.well else ():
                self.say(line)
        return failed

    def _finish(self, members: Sequence[Member]) -> Code:
        """Let hosts forget how they were; what one goes on knowing would one day take back a host that is well set up."""
        left = [(member, Ended(well=False)) for member in members]
        for _ in range(FINISH_ATTEMPTS):
            again = [member for member, _ in left]
            ended = together(lambda member: member.step("finish"), again)
            left = [(member, end) for member, end in zip(again, ended, strict=True) if not end.well]
        for member, end in left:
            self.say(
                f"{member.name}: set up, but its record of the state before could not be removed: "
                f"{'; '.join(end.lines)}; {FORGET}"
            )
        return Code.UNFINISHED if left else Code.DONE

    def _take_back(self) -> Code:
        """Make every host that was begun as it was; each by itself, so that one that cannot be reached is all that is left."""
        ended = together(lambda member: member.step("undo"), self.begun)
        for member, end in zip(self.begun, ended, strict=True):
            words = "; ".join(end.lines)
            self.say(
                f"{member.name}: {words}" if end.well else f"{member.name}: NOT taken back: {words}; there: nvkeep setup --undo"
            )
        return Code.TAKEN_BACK if all(end.well for end in ended) else Code.BROKEN


def compare(host: Host, cluster: Cluster) -> None:
    """Compare the hosts once they are set up: they may have differed until now, and `nvkeep status` goes by the record."""
    with suppress(NvkeepError, OSError):  # the agent compares as well
        consistency.renew(host, cluster)


def _named(member: Member, end: Ended) -> list[str]:
    """Give what a host said, with its name."""
    return [f"{member.name}: {line}" for line in end.lines or (() if end.well else ("it did not say why",))]


def together(does: Callable[[Member], Answer], members: Sequence[Member]) -> list[Answer]:
    """Do something with every host at the same moment; the answers are in the order of the hosts."""
    with ThreadPoolExecutor(max(1, len(members))) as pool:
        return list(pool.map(does, members))
