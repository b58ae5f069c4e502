"""A plan that is kept in a file: what is to be done, and all that it rests on, so that nothing else is ever done by it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

from nvkeep.core.observe import Observation
from nvkeep.core.one_pass import Pass
from nvkeep.core.prospect import Prospect
from nvkeep.core.scope import Scope
from nvkeep.errors import NotHere
from nvkeep.host import Host, load
from nvkeep.model.consistency import digest
from nvkeep.model.decision import Verdict
from nvkeep.model.report import Outcome, Report
from nvkeep.model.spec import Cluster

SCHEMA = 1


def plain(cluster: Cluster, prospects: Sequence[Prospect]) -> dict[str, Any]:
    """Give it as JSON has it."""
    host = prospects[0].scope.host.name if prospects else ""
    services = {prospect.scope.service: _service(prospect) for prospect in prospects}
    return {"schema": SCHEMA, "host": host, "cluster": _digest(cluster), "services": services}


def _digest(cluster: Cluster) -> str:
    return digest(json.dumps(cluster.plain(), sort_keys=True))


def _service(prospect: Prospect) -> dict[str, Any]:
    """Give what one service rests on, and each command; what is there, as its kind shows it."""
    facts = {name: str(value) for name, value in vars(prospect.observation.facts).items()}
    seen = {str(key): _plain(state) for key, state in prospect.observation.seen.items()}
    steps = [f"{change.verb} {change.key}: {step}" for change in prospect.plan.changes for step in change.steps]
    return {"line": prospect.verdict.line, "did": str(prospect.verdict.action), "facts": facts, "seen": seen, "steps": steps}


def _plain(state: object) -> Any:  # noqa: ANN401 - JSON
    """Give what a kind has seen, as far as it compares it: sets in an order, and no detail that changes by itself."""
    if not is_dataclass(state):
        return None if state is None else str(state)
    compared = {part.name: getattr(state, part.name) for part in fields(state) if part.compare}
    return {name: sorted(map(str, value)) if isinstance(value, frozenset) else str(value) for name, value in compared.items()}


def run(host: Host, cluster: Cluster, file: str) -> list[Report]:
    """Do what a file has kept. Raises NotHere where the configuration, or what is there, is another one since; Busy."""
    services = _read(host, cluster, file)
    return [KeptPass(Scope(host, cluster, service), file, wanted).run() for service, wanted in services.items()]


def _read(host: Host, cluster: Cluster, file: str) -> Mapping[str, Any]:
    """Give the services of a kept plan. Raises NotHere for what is none, or of another configuration."""
    try:
        kept = load(host.read(file))
        services: Mapping[str, Any] = dict(kept["services"])
        known = kept["schema"] == SCHEMA and kept["host"] == host.name
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise NotHere(f"{file} is no plan: {error}; nvkeep plan -o {file}") from error
    if not known:
        raise NotHere(f"{file} is a plan of another host, or of another nvkeep; nvkeep plan -o {file}")
    if kept["cluster"] != _digest(cluster):
        raise NotHere(f"cluster.yaml has changed since {file} was made; nvkeep plan -o {file}")
    for service in services.keys() - set(cluster.services_of(host.name)):
        raise NotHere(f"{file}: this host may not run {service}; nvkeep plan -o {file}")
    return services


class KeptPass(Pass):
    """A pass that does what was kept, or nothing: it compares after it has looked, while no other pass can change anything."""

    def __init__(self, scope: Scope, file: str, wanted: object) -> None:
        super().__init__(scope)
        self.file, self.wanted = file, wanted

    def _round(self, verdict: Verdict, observation: Observation) -> tuple[tuple[Outcome, ...], bool]:
        if self.wanted is not None:
            now = _service(Prospect(self.scope, verdict, observation, self.actor.plan(verdict, observation)))
            _refuse_another(self.file, self.scope.service, self.wanted, now)
            self.wanted = None  # what follows from it is for the pass to decide
        return super()._round(verdict, observation)


def _refuse_another(file: str, service: str, wanted: object, now: dict[str, Any]) -> None:
    """Raise NotHere, and name what is another one."""
    if wanted == now:
        return
    for part in ("facts", "seen"):
        kept = wanted.get(part) if isinstance(wanted, dict) else None
        known = kept if isinstance(kept, dict) else now[part]
        for name in [name for name, value in now[part].items() if known.get(name) != value]:
            raise NotHere(f"{service}: {name} is another one than when {file} was made; nvkeep plan -o {file}")
    raise NotHere(f"{service}: the plan of {file} is another one now; nvkeep plan -o {file}")
