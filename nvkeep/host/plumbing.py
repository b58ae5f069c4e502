"""The plumbing verbs: small commands that plans use and that a person can type as well.

nvkeep announce INTERFACE ADDRESS       tell the neighbours that the address is here
nvkeep lease acquire FILE HOST          take the free lease of an image; denied when another host has it
nvkeep lease seize FILE HOST VERSION    take it from its holder, if it still is of that version
nvkeep lease release FILE HOST          give it back
nvkeep loop attach FILE LINK            make LINK a loop device on FILE
nvkeep loop detach FILE LINK            undo it
nvkeep nvme connect DEVICE ADDRESS PORT NQN    connect a namespace over TCP, unless it is connected
"""

import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from nvkeep.errors import CommandError
from nvkeep.host import command, lease, loop, wire
from nvkeep.host.base import Completed

USAGE = 64  # EX_USAGE
CONNECT_S = 15.0  # for the connection, and for its device to appear
LOOK_EVERY_S = 0.05


def _verbs(reader: lease.Reader) -> dict[str, Callable[..., str | None]]:
    return {
        "announce": wire.announce,
        "lease acquire": partial(lease.acquire, reader),
        "lease seize": partial(lease.seize, reader),
        "lease release": partial(lease.release, reader),
        "loop attach": loop.attach,
        "loop detach": loop.detach,
        "nvme connect": connect,
    }


def run(argv: Sequence[str], reader: lease.Reader) -> Completed:
    """Run `nvkeep VERB ...`; exit codes: 0 done, 1 failed, 3 denied, 64 not a plumbing verb. `reader`: reads this machine."""
    name = " ".join(argv[1:3]) if argv[1] in ("lease", "loop", "nvme") else argv[1]
    verb = _verbs(reader).get(name)
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


def connect(device: str, address: str, port: str, nqn: str) -> str:
    """Connect an NVMe/TCP namespace and wait for its device, unless that is there. Raises CommandError.

    `nvme connect` fails when it is connected already, and the device comes a moment later.
    """
    if Path(device).is_block_device():
        return ""
    done = command.run(
        ("nvme", "connect", "--transport=tcp", f"--traddr={address}", f"--trsvcid={port}", f"--nqn={nqn}"), CONNECT_S
    )
    if done.code and "already connected" not in done.err:
        raise CommandError(done.argv, done.code, done.err)
    deadline = time.monotonic() + CONNECT_S
    while not Path(device).is_block_device():
        if time.monotonic() > deadline:
            raise CommandError(done.argv, 1, f"connected, but {device} did not appear")
        time.sleep(LOOK_EVERY_S)
    return device
