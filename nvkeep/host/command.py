"""Running a command so that nothing can block its caller: a deadline, also for its start, no input, a bound on its output."""

import time
from collections.abc import Sequence

from nvkeep.errors import CommandTimeout
from nvkeep.host import process
from nvkeep.host.base import Completed
from nvkeep.host.files import BYTES


def run(argv: Sequence[str], timeout: float) -> Completed:
    """Run a command to its end. Raises CommandTimeout; a missing program is exit code 127, as in a shell."""
    deadline = time.monotonic() + timeout
    try:
        child = process.started(argv, timeout)
    except OSError as error:
        return Completed(tuple(argv), 127, "", f"{argv[0]}: {error.strerror}")
    try:
        out, err = process.collected(child, deadline)
        code = child.wait(deadline)
    except (TimeoutError, OverflowError) as error:
        process.abandon(child)
        raise CommandTimeout(argv, timeout, *filter(None, [str(error)])) from None
    process.closed(child)
    return Completed(tuple(argv), code, out.decode(errors=BYTES), err.decode(errors=BYTES))
