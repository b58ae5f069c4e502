"""Where nvkeep keeps what outlives a process, and the two ways to keep it: write a file whole, hold a lock.

Every file and who writes it: docs/reference.md.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from nvkeep.errors import Busy, NvkeepError
from nvkeep.host import Host
from nvkeep.state import RUN, VAR
from nvkeep.state.once import Once

__all__ = ["LEAVING", "RUN", "VAR", "alone", "written"]
LEAVING = f"{RUN}/leaving"


@contextmanager
def alone(host: Host, name: str, within: float, refusal: Callable[[], NvkeepError]) -> Iterator[None]:
    """Hold a lock of this host that is no pass's; raise the refusal where it does not come free within so many seconds."""
    with ExitStack() as held:
        try:
            held.enter_context(host.lock(f"{RUN}/lock/{name}", within))
        except Busy as error:
            raise refusal() from error
        yield


def written(host: Host | Once, path: str, text: str) -> bool:
    """Write what nvkeep can go on without; return whether it was written."""
    try:
        host.write(path, text)
    except OSError:
        return False
    return True
