"""How the services of this host stand on every host: what `nvkeep status --json` says there, and whether the hosts agree."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict

from nvkeep.checks import consistency
from nvkeep.core.scope import Scope
from nvkeep.errors import Unreachable
from nvkeep.host import Host
from nvkeep.host.ssh import Peer, json_of
from nvkeep.model.consistency import Compared
from nvkeep.model.frozen import frozen
from nvkeep.model.spec import Cluster
from nvkeep.model.summary import EXIT
from nvkeep.status.screen import Status, everything, holds, judge, worst_of
from nvkeep.status.service import service_status

COMMAND = ("nvkeep", "status", "--json")
ASK_TIMEOUT_S = 10.0  # for a host to answer: at three in the morning nobody waits longer for one that is dead


@frozen
class Everywhere:
    """What every host says of every service, those of `services` preferred first, and how each was compared with this one."""

    services: Mapping[str, Mapping[str, Status]]
    compared: Mapping[str, Compared]
    lines: Sequence[str]

    @property
    def code(self) -> int:
        """Give the exit code: that of the first line's word."""
        summed = {service: judge(hosts) for service, hosts in self.services.items()}
        code = EXIT[summed[worst_of(summed)].word] if summed else 0
        return code or int(any(compared.differs for compared in self.compared.values()))

    def plain(self) -> dict[str, object]:
        """Give it as JSON has it."""
        services = {name: self._plain(hosts) for name, hosts in self.services.items()}
        return {"services": services, "agreement": {name: asdict(compared) for name, compared in self.compared.items()}}

    def _plain(self, hosts: Mapping[str, Status]) -> dict[str, object]:
        overall = judge(hosts)
        return {"summary": overall.word, "sentence": overall.sentence, "served_by": served_by(hosts), "hosts": hosts}

    def __str__(self) -> str:
        return "\n".join(everything(self.services, self.lines))


def look(host: Host, cluster: Cluster, services: Sequence[str]) -> Everywhere:
    """Ask every other host of these services, and compare with each. Changes nothing but the record of the comparison."""
    others = sorted({name for service in services for name in cluster.services[service].hosts} - {host.name})
    with ThreadPoolExecutor(len(others) + 1) as pool:
        comparing = pool.submit(consistency.renew, host, cluster, alone=True)
        answers = dict(zip(others, pool.map(lambda name: _ask(host, name), others), strict=True))
    # After the comparison, whose outcome it has among its warnings.
    here = {service: asdict(service_status(Scope(host, cluster, service))) for service in services}
    statuses = {service: _gathered(cluster, host.name, here[service], answers, service) for service in services}
    compared = {name: comparison for name, comparison in comparing.result().items() if name in others}
    return Everywhere(statuses, compared, [line for name in compared for line in _agreeing(host, name, compared[name])])


def _gathered(
    cluster: Cluster, me: str, mine: Status, answers: Mapping[str, dict[str, Status] | str], service: str
) -> dict[str, Status]:
    return {name: mine if name == me else _of(answers[name], service) for name in cluster.services[service].hosts}


def _ask(host: Host, name: str) -> dict[str, Status] | str:
    """Ask one host for all its services; a sentence where it gives no answer."""
    try:
        done = Peer(host, name).run(COMMAND, ASK_TIMEOUT_S)
    except Unreachable as error:
        return str(error)
    try:
        return {str(status["service"]): status for status in json_of(name, done)}
    except ValueError as error:
        return f"{error}; ssh {name} nvkeep status"
    except (KeyError, TypeError):
        return f"`{' '.join(COMMAND)}` on {name} printed something unexpected; ssh {name} nvkeep status"


def _of(answer: dict[str, Status] | str, service: str) -> Status:
    if isinstance(answer, str):
        return {"unheard": answer}
    return answer.get(service, {"unheard": f"it does not list {service}; its cluster.yaml may differ"})


def served_by(hosts: Mapping[str, Status]) -> list[str]:
    """Name the hosts that say they hold a service."""
    return [name for name, status in hosts.items() if holds(status)]


def whole(status: Status) -> bool:
    """Return whether a host says that it holds the service, and everything stands; the version before has only marks."""
    settled = status.get("settled", all(line["mark"] == "[OK]" for line in status.get("lines", ())))
    return holds(status) and bool(settled)


def _agreeing(host: Host, name: str, compared: Compared) -> list[str]:
    if compared.unreached:
        return [f"  {consistency.not_compared(host, name, compared)}"]
    return [f"  ! {difference.text}" for difference in compared.differs] or [f"  {host.name} and {name} agree"]
