"""Who would keep the file systems of a service from being unmounted, and what would become of each. Changes nothing."""

from collections.abc import Iterator

from nvkeep.host import Host
from nvkeep.model.frozen import frozen
from nvkeep.model.spec import Policy, Service
from nvkeep.probes import mountinfo, superblock
from nvkeep.unmount import blockers
from nvkeep.unmount.blocker import PROTECTED, Blocker, Sort


@frozen
class Forecast:
    """One thing that holds a file system of a service, and what would become of it."""

    mount: str
    blocker: Blocker
    own: bool
    policy: Policy

    @property
    def blocks(self) -> bool:
        """Whether it would keep the file system from being unmounted."""
        below = self.blocker.sort is Sort.MOUNT and mountinfo.within(self.blocker.path, self.mount)
        kernel = self.blocker.sort in (Sort.SWAP, Sort.EXPORT)
        ended = self.policy == "all" and not kernel and self.blocker.pid != 1 and self.blocker.unit not in PROTECTED
        return not (self.own or below or ended)

    def __str__(self) -> str:
        fate = "stops with the service" if self.own else "would be ended"
        return f"{self.mount}: {self.blocker} ({f'would block a release; {self.blocker.remedy}' if self.blocks else fate})"


def forecast(host: Host, service: Service, *, deep: bool) -> Iterator[Forecast]:
    """Look at who holds the file systems of a service that are on this host. Raises ProbeError."""
    devices = {volume.name: volume.device for volume in service.volumes}
    table = {entry.path for entry in mountinfo.read(host)}
    own = {mount.path for mount in service.mounts}
    for mount in service.mounts:
        number = host.device_number(devices[mount.volume])
        if mount.path in table or superblock.alive(host, number):
            for blocker in blockers.look(host, mount.path, number, deep=deep):
                if blocker.sort is not Sort.MOUNT or blocker.path not in own:
                    yield Forecast(mount.path, blocker, blocker.unit in service.units, service.holders)
