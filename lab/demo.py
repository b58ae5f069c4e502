"""`make demo`: two real servers, one loses its power, the service comes back, nothing that was acknowledged is lost."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from lab import needs, protected, timeline
from lab.commands import LabError, until
from lab.network import FLOATING
from lab.steady import boottime

if TYPE_CHECKING:
    from lab.client import Result
    from lab.cluster import Lab
    from lab.server import Server

LOGS = {"actions": "/var/log/nvkeep/actions.log", "event_handler": "/var/log/nvkeep/event_handler.log"}
BEFORE, AFTER, QUIET = (
    3.0,
    3.0,
    5.0,
)  # seconds of writing before the crash, after the return, and of watching the returned server


def main() -> int:
    """Run the demo; 0 when no row was lost."""
    began = time.monotonic()
    try:
        needs.demand(needs.lacking())
        outage, lost = _demo()
    except KeyboardInterrupt:
        print("\n* Interrupted; everything is taken down.")
        return 130
    except LabError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    print(f"* Done in {time.monotonic() - began:.0f} s; both servers, networks and disks are gone again.")
    print(f"outage: {outage:.2f} s\nlost rows: {lost}")
    return 0 if lost == 0 else 1


def _demo() -> tuple[float, int]:
    print("* Bringing up two servers (systemd, keepalived, PostgreSQL on a shared volume, nvkeep)")
    with protected.pair() as lab:
        active = protected.active_server(lab)
        other = next(server for server in lab if server is not active)
        until(lambda: protected.ready(other), within=30, what=f"{other.name} is not ready to take over")
        _look(active, other)
        outage, lost = _crash(lab, active, other)
        lost += _return(lab, active, other)
    return outage, lost


def _look(active: Server, other: Server) -> None:
    _type(active, "nvkeep", "status")
    _type(other, "nvkeep", "status")
    _type(other, "nvkeep", "plan", "--role", "pg=MASTER", "--assume-clean")


def _type(server: Server, *argv: str) -> None:
    """Show a command as it is typed, and what it prints."""
    print(f"\n{server.name}# {' '.join(argv)}")
    print(server.run(argv, check=False).stdout.rstrip())


def _crash(lab: Lab, active: Server, other: Server) -> tuple[float, int]:
    print(f"\n* A client writes a row every 20 ms to {FLOATING} and notes each one that is acknowledged")
    writer = lab.writer().start()
    time.sleep(BEFORE)
    crash, offset = boottime(), time.time() - boottime()
    active.power_cut()
    print(f"* {active.name}: power cut. The client goes on writing ...")
    until(lambda: writer.result().first_ack_after(crash + 0.2) is not None, within=60, what="the service did not come back")
    until(lambda: protected.serves(other), within=60, what=f"{other.name} does not serve")
    time.sleep(AFTER)
    result = writer.stop()
    _tell(other, result, crash, offset)
    lost = writer.lost()
    print(f"\n  outage: {result.longest_gap_seconds:.2f} s (longest gap between two acknowledged rows)")
    print(f"  lost rows: {lost} of {result.acknowledged} acknowledged")
    return result.longest_gap_seconds, lost


def _tell(other: Server, result: Result, crash: float, offset: float) -> None:
    answered = result.first_ack_after(crash + 0.2) or crash
    logs = {name: other.read(path) for name, path in LOGS.items()}
    print(f"\n  What happened on {other.name}, in seconds since the power cut:\n")
    print("\n".join(timeline.bars(timeline.stages(logs, crash + offset, answered + offset))))


def _return(lab: Lab, dead: Server, serving: Server) -> int:
    print(f"\n* {dead.name} comes back")
    writer = lab.writer().start()
    dead.power_on()
    until(lambda: protected.ready(dead), within=30, what=f"{dead.name} is not ready")
    time.sleep(QUIET)
    result = writer.stop()
    _type(dead, "nvkeep", "status")
    if protected.serves(dead) or not protected.serves(serving):
        raise LabError(f"{dead.name} did not stay in the background")
    lost = writer.lost()
    print(f"\n* {dead.name} stays in the background; {serving.name} served throughout")
    print(f"  longest gap {result.longest_gap_seconds:.2f} s, lost rows: {lost}")
    return lost


if __name__ == "__main__":
    sys.exit(main())
