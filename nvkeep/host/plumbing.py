"""The plumbing verbs: small commands that plans use and that a person can type as well.

nvkeep announce INTERFACE ADDRESS       tell the neighbours that the address is here
nvkeep lease acquire FILE HOST          take the free lease of an image; denied when another host has it
nvkeep lease seize FILE HOST VERSION    take it from its holder, if it still is of that version
nvkeep lease release FILE HOST          give it back
nvkeep loop attach FILE LINK            make LINK a loop device on FILE
nvkeep loop detach FILE LINK            undo it
"""

from collections.abc import Callable, Sequence

from nvkeep.errors import CommandError
from nvkeep.host import fabric, lease, loop, wire
from nvkeep.host.base import Completed

USAGE = 64  # EX_USAGE
VERBS: dict[str, Callable[..., str | None]] = {
    "announce": wire.announce,
    "lease acquire": lease.acquire,
    "lease seize": lease.seize,
    "lease release": lease.release,
    "loop attach": loop.attach,
    "loop detach": loop.detach,
    "nvme connect": fabric.connect,
}


def run(argv: Sequence[str]) -> Completed:
    """Run `nvkeep VERB ...`; exit codes: 0 done, 1 failed, 3 denied, 64 not a plumbing verb."""
    name = " ".join(argv[1:3]) if argv[1] in ("lease", "loop", "nvme") else argv[1]
    verb = VERBS.get(name)
    arguments = argv[1 + len(name.split()) :]
    if verb is None:
        return Completed(tuple(argv), USAGE, "", f"no such verb: {name}")
    try:
        return Completed(tuple(argv), 0, verb(*arguments) or "", "")
    except lease.Refused as refused:
        return Completed(tuple(argv), lease.DENIED, "", str(refused))
    except CommandError as error:
        return Completed(tuple(argv), error.code, "", error.stderr)
    except (OSError, ValueError) as error:
        return Completed(tuple(argv), 1, "", str(error))
    except TypeError:
        return Completed(tuple(argv), USAGE, "", f"wrong arguments for {name}: see `nvkeep --help`")
