"""Connecting an NVMe/TCP namespace: `nvme connect` fails when it is connected already, and the device comes a moment later."""

import time
from pathlib import Path

from nvkeep.errors import CommandError
from nvkeep.host.command import run

SECONDS = 15.0  # for the connection, and for its device to appear
LOOK = 0.05  # seconds between two looks


def connect(device: str, address: str, port: str, nqn: str) -> str:
    """Connect, unless the device is there, and wait for it. Raises CommandError."""
    if Path(device).is_block_device():
        return ""
    done = run(("nvme", "connect", "--transport=tcp", f"--traddr={address}", f"--trsvcid={port}", f"--nqn={nqn}"), SECONDS)
    if done.code and "already connected" not in done.err:
        raise CommandError(done.argv, done.code, done.err)
    deadline = time.monotonic() + SECONDS
    while not Path(device).is_block_device():
        if time.monotonic() > deadline:
            raise CommandError(done.argv, 1, f"connected, but {device} did not appear")
        time.sleep(LOOK)
    return device
