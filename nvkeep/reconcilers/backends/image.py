"""Backend `image`: a loop device on an image file that the hosts share, with a lease beside it. Needs no storage product.

The lease (nvkeep/host/lease.py) tells who holds; it does not stop a host that was frozen while it was taken: use it where
the shared file system fences, or for trying nvkeep out.
"""

from types import MappingProxyType
from typing import Literal

from nvkeep.errors import Denied, ProbeError, StepError
from nvkeep.host import Completed, Host, lease
from nvkeep.model.decision import Holder
from nvkeep.model.finding import Lack
from nvkeep.model.names import Path, check_name
from nvkeep.model.plan import Steps, steps
from nvkeep.model.spec import VolumeSpec
from nvkeep.probes import lease as probe
from nvkeep.probes.io import does_io
from nvkeep.probes.tool import Tool
from nvkeep.reconcilers.backends.base import Ask, Backend, Holding, Unique, Volume

COMMAND_TIMEOUT_S = 20.0


class ImageVolume(VolumeSpec):
    """An image file on storage that all hosts of the service see under the same path."""

    backend: Literal["image"] = "image"
    file: Path

    def __post_init__(self) -> None:
        check_name(self.name)

    @property
    def device(self) -> str:
        """A link of nvkeep's own to whichever loop device was free."""
        return f"/dev/nvkeep/{self.name}"


class ImageBackend(Backend[ImageVolume]):
    """A lease and a loop device."""

    Spec = ImageVolume
    unique = (Unique("file", "image", "write the file of another image"),)
    examples = MappingProxyType({"file": "file: /path/of/the/image"})
    gives_up = "a lease tells who holds, but does not stop a host that was frozen while it was taken"
    tools = (Tool(("losetup", "--version"), "apt install mount"),)

    def lacking(self, host: Host, ask: Ask[ImageVolume]) -> Lack | None:
        """Look for the image file: the shared file system that it is on may not be mounted."""
        file = ask.spec.file
        return (
            None if probe.there(host, file) else Lack(f"there is no image file {file} here", f"findmnt -T {file}; ls -l {file}")
        )

    def observe(self, host: Host, ask: Ask[ImageVolume]) -> Volume | None:
        """Look at the loop device behind our link, and at the lease."""
        if _bound(host, ask) != ask.spec.file:
            return None
        seen = probe.read(host, ask.spec.file)
        if seen.holder != ask.host:
            return Volume(ask.spec.device, "preempted", detail=f"lease {seen.version}")
        return Volume(ask.spec.device, io=does_io(host, ask.spec.device), detail=f"lease {seen.version}")

    def holder(self, host: Host, ask: Ask[ImageVolume]) -> Holding:
        """Read the lease. One's own without the device is one of before a crash; the device without it is lost."""
        seen = probe.read(host, ask.spec.file)
        here = _bound(host, ask) == ask.spec.file
        if seen.holder == ask.host:
            return Holding(Holder.ME if here else Holder.NOBODY, ask.host, seen.version)
        free = seen.holder is None and not here
        return Holding(Holder.NOBODY if free else Holder.ANOTHER, seen.holder or "", seen.version)

    def acquire(self, ask: Ask[ImageVolume]) -> Steps:
        """Take the free lease, then the device."""
        return steps(("nvkeep", "lease", "acquire", ask.spec.file, ask.host), _attach(ask), timeout=COMMAND_TIMEOUT_S)

    def release(self, ask: Ask[ImageVolume], have: Volume) -> Steps:  # noqa: ARG002 - the same from every state
        """Give back the device, then the lease."""
        detach = ("nvkeep", "loop", "detach", ask.spec.file, ask.spec.device)
        return steps(detach, ("nvkeep", "lease", "release", ask.spec.file, ask.host), timeout=COMMAND_TIMEOUT_S)

    def seize(self, ask: Ask[ImageVolume], version: int | None) -> Steps:
        """Take the lease of the version that was read, then the device."""
        return steps(
            ("nvkeep", "lease", "seize", ask.spec.file, ask.host, str(version or 0)), _attach(ask), timeout=COMMAND_TIMEOUT_S
        )

    def judge(self, spec: Ask[ImageVolume], done: Completed) -> StepError:
        """Call a refused lease a denial."""
        if done.argv[:2] != ("nvkeep", "lease"):
            return super().judge(spec, done)
        return Denied(f"`{' '.join(done.argv)}`: {done.err}") if done.code == lease.DENIED else super().judge(spec, done)


def _attach(ask: Ask[ImageVolume]) -> tuple[str, ...]:
    return ("nvkeep", "loop", "attach", ask.spec.file, ask.spec.device)


def _bound(host: Host, ask: Ask[ImageVolume]) -> str | None:
    target = host.link_target(ask.spec.device)
    if target is None:
        return None
    try:
        return host.read(f"/sys/block/{target.rpartition('/')[2]}/loop/backing_file").rstrip("\n")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ProbeError(f"{target}: {error.strerror}") from error


BACKEND = ImageBackend()
