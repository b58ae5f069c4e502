"""Work that can be left behind: what a disk that does not answer keeps waiting is a thread, not whoever asked."""

import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import TypeVar, cast

Result = TypeVar("Result")
GivenUp = Callable[[], bool]


def within(seconds: float, work: Callable[[GivenUp], Result], late: Callable[[Result], None] = lambda _: None) -> Result:
    """Do work in a thread; it is given a way to ask whether it was given up. Raises TimeoutError, and what the work raises.

    `late` is given what the work brings after that.
    """
    given_up, decided = threading.Event(), threading.Lock()
    outcome: SimpleQueue[tuple[Result | None, OSError | None]] = SimpleQueue()

    def run() -> None:
        try:
            result = work(given_up.is_set)
        except OSError as failure:
            outcome.put((None, failure))
            return
        with decided:
            if not given_up.is_set():
                outcome.put((result, None))
                return
        late(result)

    threading.Thread(target=run, daemon=True).start()
    try:
        result, error = outcome.get(timeout=seconds)
    except Empty:
        with decided:
            given_up.set()
            if outcome.empty():
                raise TimeoutError(f"no end after {seconds:g} s") from None
        result, error = outcome.get()
    if error:
        raise error
    return cast("Result", result)
