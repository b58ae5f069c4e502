"""A pass with nothing to do: what it runs, what it loads. Needs root."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lab.server import Server
    from tests.cluster.conftest import Pair

# Python's own audit events tell every command, every file opened for writing, every removal: a trace that cannot be fooled.
TRACE = """
import json, os, sys
sys.path[:0] = ["/usr/lib/nvkeep/current", "/usr/lib/nvkeep/current/vendor"]
ran, changed = [], []
def heard(event, args):
    if event == "os.posix_spawn":
        ran.append(list(args[1]))
    elif event == "open" and isinstance(args[0], str) and args[2] & (os.O_WRONLY | os.O_RDWR):
        changed.append(args[0])
    elif event in ("os.remove", "os.rename", "os.mkdir", "os.link", "os.symlink", "socket.sendto"):
        changed.append(event + " " + str(args[:2]))
sys.addaudithook(heard)
from nvkeep.cli import main
code = main(["apply"])
print(json.dumps({"code": code, "ran": ran, "changed": changed, "modules": sorted(sys.modules)}))
"""
LOOKS = (["ip", "-j", "addr"], ["systemctl", "show"], ["keepalived", "--signum=JSON"])
OWN = ("/dev/null", "/run/nvkeep/", "os.rename ('/run/nvkeep/", "/var/log/nvkeep/")


def actions(server: Server) -> str:
    return server.run(("find", "/var/log/nvkeep", "-name", "actions.log", "-exec", "cat", "{}", ";")).stdout


def test_a_no_op_apply_changes_nothing_and_stays_lean(pair: Pair) -> None:
    for server in (pair.active, pair.other):
        server.run(("systemctl", "stop", "nvkeep-reconcile.timer"))
        log = actions(server)
        done = server.run(("/usr/bin/python3", "-I", "-c", TRACE))
        told = json.loads(done.stdout.splitlines()[-1])
        assert told["code"] == 0
        assert told["ran"]
        assert [argv for argv in told["ran"] if not any(argv[: len(look)] == look for look in LOOKS)] == []
        dump = [name for name in told["changed"] if "keepalived.json" in name]
        assert [name for name in told["changed"] if not name.startswith(OWN) and name not in dump] == []
        assert {"deepdiff", "rich", "asyncio", "numpy"} & set(told["modules"]) == set()
        assert actions(server) == log
