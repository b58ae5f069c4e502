"""Every verb as somebody types it who should not, or not now: what it has to end with, and the one line it has to say.

srv-a serves pg and is preferred for it, srv-b stands by. `nvkeep` is left out, except of the original's commands.
"""

from __future__ import annotations

import shlex
from typing import NamedTuple

from nvkeep.cli import ORIGINAL

ELSEWHERE, CONF, FSTAB = "/opt/elsewhere.yaml", "/opt/nvkeep_service.conf", "/opt/fstab"
PAGE = "/root/page.html"
AWAY = f"-f {ELSEWHERE}"  # a cluster.yaml of two other hosts
NOT_A_HOST = "srv-a is not a host of this cluster; its hosts are other-a, other-b"
NO_ROOT = "nvkeep: permission denied; run it as root"
NO_FILE = "/nowhere:1:1: No such file or directory; name the file"
NO_WORD = "unrecognized arguments: "
NO_ENTRY = "nope is no entry and no service of the history; nvkeep history"
NO_NOTIFY = "/etc/nvkeep/cluster.yaml has no `notify:`; add notify: {command: [PROGRAM]}"
NOT_SERVED = "srv-b does not serve pg; type this on the host that does: nvkeep status pg"
NO_NOPE = "srv-a may not run nope; it may run pg"
NO_SERVICE = "the following arguments are required: SERVICE"
NO_TIME = "'2x' is not a length of time; write 90s, 30m, 2h or 1d"
NO_HOST = "nowhere is not a host of this cluster; its hosts are srv-a, srv-b"
NO_KIND = "invalid choice: 'nonsense' (choose from 'standby', 'stopped', 'away', 'maintenance')"
NOT_DOWN = "/run/nvkeep/leaving does not exist: the system is not shutting down; nothing was done"
RUNS = "nvkeep.service runs it already"
SERVED = "pg: it is served; nvkeep status"
NOTHING_LEFT = "pg: nothing of it is left here"
MAINTAIN = "maintenance pg --for 1h --reason x"
MAINTAINED = "maintenance: it is watched, and nothing is done, since "
ORDER = "override set maintenance pg --for 1h --reason x"
AS_IT_IS = "set up as cluster.yaml says; nothing was changed"


class Row(NamedTuple):
    """What is typed, on which server, the exit code it must end with, and what its one line must say."""

    typed: str
    code: int
    says: str = ""
    on: str = "srv-a"

    @property
    def words(self) -> tuple[str, ...]:
        """Give it as argv."""
        words = tuple(shlex.split(self.typed))
        return words if words[0] in ORIGINAL else ("nvkeep", *words)

    @property
    def verb(self) -> str:
        """Name the verb, or the command of the original."""
        return self.typed.split()[0]


WRONG = (
    Row("apply nope", 2, NO_NOPE),
    Row("apply --nonsense", 2, NO_WORD),
    Row("apply -f /nowhere", 2, NO_FILE),
    Row("plan nope", 1, NO_NOPE),
    Row("plan --role pg=NONSENSE", 1, "--role pg=NONSENSE: write SERVICE=ROLE"),
    Row("plan --host srv-b", 1, "this is not srv-b: what is there cannot be seen from here; add --assume-clean"),
    Row("diff nope", 1, NO_NOPE),
    Row("status nope", 2, NO_NOPE),
    Row("status --nonsense", 2, NO_WORD),
    Row("agreement pg", 2, NO_WORD),
    Row("holders nope", 2, NO_NOPE),
    Row("check pg", 2, NO_WORD),
    Row("check -f /nowhere", 2, NO_FILE),
    Row("import /nowhere", 2, NO_FILE),
    Row("import --nonsense", 2, NO_WORD),
    Row("show -f /nowhere", 2, NO_FILE),
    Row("schema pg", 2, NO_WORD),
    Row("keepalived --for-version x", 2, "'x' is no version of keepalived; write three numbers, as in 2.2.7"),
    Row("keepalived --host nowhere", 2, NO_HOST),
    Row("keepalived --install --check", 2, "not allowed with argument --install"),
    Row("setup pg", 2, NO_WORD),
    Row("setup", 2, "no terminal to ask on; nothing was changed; to set up without asking: nvkeep setup --yes"),
    Row("setup --yes -f /nowhere", 2, "there is no /nowhere"),
    Row("setup --step nonsense", 2, "invalid choice: 'nonsense'"),
    Row("move", 2, NO_SERVICE),
    Row("move nope", 2, NO_NOPE),
    Row("move pg --to nowhere", 2, "nowhere is no other host of pg; it may run on srv-a, srv-b"),
    Row("move pg --to", 2, "argument --to: expected one argument"),
    Row("standby nowhere", 2, NO_HOST),
    Row("standby --for 2x", 2, NO_TIME),
    Row("activate nowhere", 2, NO_HOST),
    Row("activate srv-a srv-b", 2, NO_WORD),
    Row("stop", 2, NO_SERVICE),
    Row("stop nope", 2, NO_NOPE),
    Row("stop pg --for 2x", 2, NO_TIME),
    Row("start", 2, NO_SERVICE),
    Row("start nope --here", 2, NO_NOPE),
    Row("maintenance", 2, NO_SERVICE),
    Row("maintenance pg", 2, "say for how long, and why"),
    Row("maintenance pg --for 2h", 2, "say for how long, and why"),
    Row("maintenance pg --reason x", 2, "say for how long, and why"),
    Row("maintenance pg --for 2x --reason x", 2, NO_TIME),
    Row("maintenance nope --for 2h --reason x", 2, NO_NOPE),
    Row("override nonsense", 2, "invalid choice: 'nonsense' (choose from 'list', 'set', 'end')"),
    Row("override set", 2, "set wants one of standby, stopped, away, maintenance"),
    Row("override set maintenance", 2, "maintenance wants the name of a service; this host may run pg"),
    Row("override set stopped nope", 2, NO_NOPE),
    Row("override end nonsense pg", 2, NO_KIND),
    Row("failback pg", 2, NO_WORD),
    Row("failback -f /nowhere", 2, NO_FILE),
    Row("reset", 2, "reset wants the name of a service; this host may run pg"),
    Row("reset pg nope", 2, NO_NOPE),
    Row("role nope", 2, NO_NOPE),
    Row("role pg --set NONSENSE", 2, "invalid choice: 'NONSENSE'"),
    Row("role --set MASTER", 2, "--set wants the name of a service; this host may run pg"),
    Row("role pg --set MASTER --unset", 2, "not allowed with argument --set"),
    Row("umount", 2, "the following arguments are required: PATH"),
    Row("umount /srv/pg/", 0, "nothing is mounted at /srv/pg/"),
    Row("umount /srv/pg --holders some", 2, "invalid choice: 'some'"),
    Row("umount /srv/pg --within x", 2, "invalid float value: 'x'"),
    Row("agent pg", 2, NO_WORD),
    Row("agent -f /nowhere", 1, RUNS),
    Row("apply /nowhere", 2, "/nowhere is no plan: "),
    Row("plan --if nonsense", 1, "nonsense is no event; write HOST=down"),
    Row("plan --if nowhere=down", 1, "nowhere=down is no event of this cluster"),
    Row("plan --assume nonsense", 1, "--assume nonsense: write SERVICE=EVENT"),
    Row("explain", 2, NO_SERVICE),
    Row("explain nope", 2, NO_NOPE),
    Row("history nope", 1, NO_ENTRY),
    Row("history -n 0", 2, "'0' is not a number of entries; write 1 or more"),
    Row("history pg --svg /root/drawn.svg", 1, "--svg draws one entry: nvkeep history ID --svg FILE"),
    Row("replay", 2, "the following arguments are required: ID"),
    Row("replay nope", 1, "nope is no entry of the history; nvkeep history"),
    Row("rehearse", 2, NO_SERVICE),
    Row("rehearse nope", 2, NO_NOPE),
    Row("rehearse pg --to nowhere", 2, "nowhere is no other host of pg; it may run on srv-a, srv-b"),
    Row("report", 2, "the following arguments are required: --html"),
    Row("report --html /proc/page.html", 1, "nvkeep: /proc/page.html cannot be written: "),
    Row("notify", 2, "the following arguments are required: --test"),
    Row("notify --test -f /nowhere", 2, NO_FILE),
    Row("shutdown pg", 2, NO_WORD),
    Row("shutdown -f /nowhere", 2, NOT_DOWN),
    *(Row(f"{command} --nonsense", 2, NO_WORD) for command in ORIGINAL),
    *(Row(f"{command} pg", 2, NO_WORD) for command in ORIGINAL),
    *(Row(f"{command} -f /nowhere", 2, NO_FILE) for command in ORIGINAL),
)

WRONG_HOST = (
    *(
        Row(f"{verb} {AWAY}", 2, NOT_A_HOST)
        for verb in ("apply", "status", "agreement", "holders", "failback", "override", "role", "explain pg")
    ),
    *(Row(f"{verb} {AWAY}", 2, NOT_A_HOST) for verb in ("rehearse pg", f"report --html {PAGE}")),
    Row(f"notify --test {AWAY}", 2, f"{ELSEWHERE} has no `notify:`"),
    Row("history", 0),
    Row("replay nope", 1, "nope is no entry of the history; nvkeep history"),
    *(Row(f"{verb} {AWAY}", 1, NOT_A_HOST) for verb in ("plan", "diff")),
    Row(f"check --host {AWAY}", 2, NOT_A_HOST),
    Row(f"show {AWAY}", 0, "other-a"),
    Row("schema", 0, "Cluster"),
    Row("import", 2, "/etc/nvkeep/nvkeep_service.conf:1:1: No such file or directory"),
    *(Row(f"keepalived {AWAY} {option}", 2, NOT_A_HOST) for option in ("", "--install", "--check")),
    Row(f"setup --yes {AWAY}", 2, "srv-a may run no service of this cluster; type it on one of other-a, other-b"),
    Row(f"setup --check {AWAY}", 2, "srv-a may run no service of this cluster; type it on one of other-a, other-b"),
    *(Row(f"{verb} pg {AWAY}", 2, NOT_A_HOST) for verb in ("move", "stop", "start", "reset", "stop --here", "start --here")),
    *(Row(f"{verb} {AWAY}", 2, NOT_A_HOST) for verb in ("standby", "standby other-a", "activate", MAINTAIN, ORDER)),
    *(
        Row(f"{verb} {AWAY}", 2, NOT_A_HOST)
        for verb in ("maintenance pg --end", "override end standby", "role pg --set BACKUP")
    ),
    Row("umount /srv/pg", 0, "nothing is mounted at /srv/pg", "srv-b"),
    Row(f"agent {AWAY}", 1, RUNS),
    Row(f"shutdown {AWAY}", 2, NOT_DOWN),
    Row(f"nvkeep_apply_config {AWAY}", 2, "srv-a may run no service of this cluster; type it on one of other-a, other-b"),
    *(Row(f"{command} {AWAY}", 2, NOT_A_HOST) for command in ORIGINAL if command != "nvkeep_apply_config"),
    # where it is not served
    Row("move pg --here", 2, "pg: it is not served by srv-b; nvkeep status", "srv-b"),
    Row("move pg --to srv-a", 0, "pg: srv-a serves it already", "srv-b"),
    Row("stop pg --here", 0, NOTHING_LEFT, "srv-b"),
    Row("start pg --here", 1, "nvkeep move pg --to srv-b", "srv-b"),
    Row("failback", 0, "", "srv-b"),
    Row("rehearse pg", 2, NOT_SERVED, "srv-b"),
    Row("nvkeep_manual_startup -p", 1, "pg: srv-a serves it, and it stays there", "srv-b"),
    Row("nvkeep_clean_shutdown -l", 0, "All done.", "srv-b"),
)

CHANGING = (
    "apply",
    "move pg",
    "standby",
    "standby srv-b",
    "activate",
    "stop pg",
    "stop pg --here",
    "start pg",
    "start pg --here",
)
ORDERING = (MAINTAIN, "maintenance pg --end", ORDER, "override end standby", "role pg --set BACKUP", "role --unset")
NOT_ROOT = (
    *(Row(typed, 1, NO_ROOT) for typed in (*CHANGING, *ORDERING, "reset pg", "failback", "agent", "keepalived --install")),
    *(Row(typed, 2, "run it as root") for typed in ("setup --yes", "setup --check", "setup --undo", "nvkeep_apply_config")),
    *(Row(typed, 1, NO_ROOT) for typed in ("nvkeep_clean_shutdown", "nvkeep_manual_startup")),
    *(Row(typed, 1, NO_ROOT) for typed in ("rehearse pg", "notify --test")),
    *(Row(typed, 1, "permission denied; run it as root") for typed in ("history", "replay nope")),
    Row("explain pg", 0, "line 4: serve"),
    Row(f"report --html {PAGE}", 1, f"nvkeep: {PAGE} cannot be written: Permission denied"),
    Row("umount /srv/pg", 1, "run it as root"),
    Row(
        "import -o /etc/nvkeep/made.yaml " + f"{CONF} {FSTAB}", 1, "/etc/nvkeep/made.yaml cannot be written: Permission denied"
    ),
    Row("shutdown", 2, NOT_DOWN),
    Row("holders", 1, "only root sees who holds /srv/pg; run it as root"),
    Row("status --local", 0, "role MASTER, holder this host"),
    Row("nvkeep_check_status", 0, "pg: ok"),
    Row("role", 0, "pg: MASTER"),
    Row("plan", 0, "nothing to do"),
    Row("diff", 0, "nothing to do"),
    Row("agreement", 0, "keepalived.conf: as generated"),
    Row("check --host", 0, "[OK] INTERFACE host0"),
    Row("override", 0),
    Row("keepalived --check", 0, "as generated"),
    Row("show", 0, "srv-a"),
    Row("schema", 0, "Cluster"),
)

LOOKING = (
    Row("plan", 0, "nothing to do"),
    Row("diff", 0, "nothing to do"),
    Row("status --local", 0, "pg on srv-a: ok"),
    Row("agreement", 0, "keepalived.conf: as generated"),
    Row("holders", 0, "stops with the service"),
    Row("check --host", 0, "can be recorded"),
    Row("show", 0, "srv-a"),
    Row("schema", 0, "Cluster"),
    Row(f"import {CONF} {FSTAB}", 0, "services:"),
    Row("keepalived --check", 0, "as generated"),
    Row("nvkeep_check_status", 0, "pg: ok"),
    Row("override", 0),
    Row("role", 0, "pg: MASTER"),
    Row("failback", 0),
    Row("agent", 1, RUNS),
    Row("shutdown", 2, NOT_DOWN),
    Row("umount /nowhere", 0, "nothing is mounted at /nowhere"),
    Row("move pg --to srv-a", 0, "pg: srv-a serves it already"),
    Row("explain pg", 0, "what would change it"),
    Row("history", 0, " pg "),
    Row("replay nope", 1, "nope is no entry of the history; nvkeep history"),
    Row("notify --test", 2, NO_NOTIFY),
    Row(f"report --html {PAGE}", 0, f"written to {PAGE}"),
    Row("plan --if srv-a=down", 0, "pg: keepalived on srv-b detects it"),
)  # what changes nothing, and waits for nobody

TWICE = (
    Row("activate", 0, "srv-a was not on standby"),
    Row("standby", 0, NOTHING_LEFT, "srv-b"),
    Row("activate", 0, "srv-b was not on standby", "srv-b"),
    Row("role pg --set BACKUP", 0, "pg: role BACKUP by hand; next: nvkeep apply", "srv-b"),
    Row("role --unset", 0, "pg: role by keepalived; next: nvkeep apply", "srv-b"),
    Row("override set maintenance pg --reason x", 0, MAINTAINED, "srv-b"),
    Row("override end maintenance pg", 0, "maintenance pg was not ordered here", "srv-b"),
    Row(f"import -o /etc/nvkeep/made.yaml {CONF} {FSTAB}", 1, "/etc/nvkeep/made.yaml is there already; to replace it: "),
)  # the second answer: nothing moves by the first either

WAITING = (
    Row("apply", 0, "nothing to do"),
    Row("start pg", 0, SERVED),
    Row("start pg --here", 0, "pg: srv-a serves it"),
    Row("rehearse pg", 2, NOT_SERVED, "srv-b"),
    Row("reset pg", 0, "pg: reset"),
    Row("maintenance pg --end", 0, "pg: it was not in maintenance here"),
    Row("keepalived --install", 0, "/etc/keepalived/nvkeep.conf is as generated; nothing to change"),
    Row("setup --yes", 0, AS_IT_IS),
    Row("nvkeep_apply_config", 0, AS_IT_IS),
    Row("nvkeep_clean_shutdown -p", 0, "All done."),
    Row("nvkeep_manual_startup", 0, "* All of pg is here already"),
)  # what finds everything as it is to be; it was set up before; typed while a pass holds pg on both servers
MAINTENANCE = Row(MAINTAIN, 0, MAINTAINED), Row("maintenance pg --end", 0, "pg: nvkeep acts again")

TWICE_MOVING = (
    Row("nvkeep_clean_shutdown -l", 0, "* Nothing of pg is on this host"),
    Row("move pg --to srv-a", 0, "pg: srv-a serves it already", "srv-b"),
    Row("standby", 0, "this host is on standby, since "),
    Row("activate", 0, "srv-a was not on standby"),
    Row("stop pg --reason x", 0, NOTHING_LEFT),
    Row("start pg", 0, SERVED),
)  # the first moves the service, and waits for the pass that is under way
