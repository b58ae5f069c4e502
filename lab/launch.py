"""Enter the given cgroups, then become the given command: `launch.py DIRECTORY... -- COMMAND...`.

Run by path, without site packages, because it stands before every server and must cost nothing.
"""

import os
import sys


def main() -> None:
    """Write the own pid into every cgroup and exec."""
    split = sys.argv.index("--")
    for directory in sys.argv[1:split]:
        with open(f"{directory}/cgroup.procs", "w", encoding="ascii") as procs:  # noqa: PTH123 - pathlib costs 10 ms here
            procs.write(str(os.getpid()))
    command = sys.argv[split + 1 :]
    os.execvp(command[0], command)  # noqa: S606 - becoming the command is the purpose


if __name__ == "__main__":
    main()
