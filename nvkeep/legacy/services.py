"""The protected services that the two sets become, what is left out of them, and what is wrong with them. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from nvkeep.legacy import naming, pairing, remarks
from nvkeep.legacy.page import Planned
from nvkeep.legacy.pairing import Entries, Mounted
from nvkeep.legacy.sides import Side
from nvkeep.legacy.words import Mistake, Word


@dataclass
class Planner:
    """Plans a service for each set that has anything in it; notes and mistakes gather on the way."""

    both: Sequence[Side]
    entries: Entries
    fstab: str
    notes: list[Mistake] = field(default_factory=list)
    mistakes: list[Mistake] = field(default_factory=list)
    mounted: list[Mounted] = field(default_factory=list)
    labels: set[str] = field(default_factory=set)

    def plan(self) -> list[Planned]:
        """Plan them all."""
        full = [side for side in self.both if not side.empty]
        services = [self._service(side, alone=len(full) == 1) for side in full]
        self.notes += [note for side in self.both for note in remarks.empty(side)]
        self.notes += remarks.unused(self.entries, self.mounted)
        return services

    def _service(self, side: Side, *, alone: bool) -> Planned:
        other = next(candidate for candidate in self.both if candidate is not side)
        addresses, uneven = pairing.addresses(side)
        mounted, unknown = pairing.mounts(side, self.entries, self.fstab)
        self.mistakes += [*uneven, *unknown, *pairing.volumes(side, mounted, other)]
        if not side.lists["NVMESHVOLS"]:
            key = side.key("NVMESHVOLS")
            self.mistakes.append(Mistake(key, f"{key.text} is empty; write its volumes, or leave the whole set empty"))
        self.notes += remarks.bare(pairing.unused(side, mounted))
        self.mounted += mounted
        labels, unlabelled = remarks.labels(addresses, self.labels)
        self.notes += unlabelled
        name, hosts = naming.service(side, alone=alone), (side.host, other.host)
        return Planned(name, side, hosts, mounted, addresses, labels, [self._options(mount) for mount in mounted])

    def _options(self, mount: Mounted) -> list[Word]:
        kept, left_out = remarks.options(mount.entry)
        self.notes += [*left_out, *remarks.numbers(mount.entry)]
        self.mistakes += remarks.guessed(mount.entry)
        return kept
