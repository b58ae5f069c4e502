"""The other hosts that may run a service: what they answer, and the nvkeep commands they are given. All of it over ssh."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from nvkeep.errors import NvkeepError, Unreachable
from nvkeep.host import Host
from nvkeep.host.ssh import Peer, json_of
from nvkeep.model.spec import Cluster
from nvkeep.status.cluster import whole
from nvkeep.status.screen import holds

Status = dict[str, Any]  # what `nvkeep status --json` prints of one service; empty where a host cannot be asked


class Peers:
    """The other hosts of a service, or those of them that `names` lists."""

    def __init__(self, host: Host, cluster: Cluster, service: str, names: Sequence[str] | None = None) -> None:
        self.host, self.cluster, self.service = host, cluster, service
        every = [name for name in cluster.services[service].hosts if name != host.name]
        self.names = [name for name in every if names is None or name in names]

    def only(self, *names: str) -> "Peers":
        """Pick some of them."""
        return Peers(self.host, self.cluster, self.service, [name for name in self.names if name in names])

    def __iter__(self) -> Iterator[Peer]:
        return (Peer(self.host, name) for name in self.names)

    def reach(self) -> None:
        """See that every one of them can be given an order, before the first is. Raises Unreachable."""
        for peer in self:
            peer.run(("true",))

    def tell(self, *words: str) -> None:
        """Give all of them the same nvkeep command. Raises Unreachable, and NvkeepError where one refuses."""
        for peer in self:
            done = peer.run(("nvkeep", *words))
            if done.code:
                answer = done.err.strip() or done.out.strip()
                raise NvkeepError(f"{peer.name}: `nvkeep {' '.join(words)}` ended with {done.code}: {answer}")

    def make_pass(self, say: Callable[[str], None] = lambda _: None) -> int:
        """Have them make a pass at once; 1 when one is not settled after it. Raises Unreachable."""
        code = 0
        for peer in self:
            done = peer.run(("nvkeep", "apply", self.service), 4 * self.cluster.timing.step)
            code |= min(done.code, 1)
            say(f"{peer.name}: {(done.out or done.err).strip()}")
        return code

    # --- what they answer

    def statuses(self) -> dict[str, Status]:
        """Ask each how the service stands there."""
        return {peer.name: self._status(peer) for peer in self}

    def _status(self, peer: Peer) -> Status:
        try:
            done = peer.run(("nvkeep", "status", self.service, "--json"), self.cluster.timing.step)
            return dict(json_of(peer.name, done)[0])
        except (Unreachable, ValueError, IndexError, TypeError):
            return {}

    def holder(self) -> str:
        """Name one that says that it holds the service; empty when none does."""
        return next((name for name, status in self.statuses().items() if holds(status)), "")

    def server(self) -> str:
        """Name one that says that it serves the whole service; empty when none does."""
        return serving(self.statuses())

    def refuse_in_vain(self) -> None:
        """Raise NvkeepError unless one of them says that it may take the service."""
        answers = self.statuses()
        if any(status.get("eligible") for status in answers.values()):
            return
        reasons = [f"{name} {_unfit(name, status)}" for name, status in answers.items()] or ["there is no other host for it"]
        raise NvkeepError(f"{self.service} stays where it is: {'; '.join(reasons)}; to do it anyway: --force")


def serving(statuses: Mapping[str, Status]) -> str:
    """Name a host whose status says that it serves the whole service; empty when there is none."""
    return next((name for name, status in statuses.items() if whole(status)), "")


def _unfit(name: str, status: Status) -> str:
    """Say why a host is not known to be able to take a service."""
    if status:
        return f"may not take it: {status['eligible_why']}"
    return f"cannot be asked whether it may take it (ssh {name} true)"
