"""`nvkeep setup` over real ssh, on servers that have nvkeep and keepalived and nothing configured. Needs root."""

from __future__ import annotations

import json
import textwrap
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from lab import places, protected
from lab.commands import run, until
from tests.cluster.bare import FILE, SETUP, bare, setup, standing, switch, units
from tests.cluster.conftest import Pair, assert_clean
from tests.cluster.stage import MEASURED, QUIET

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab.cluster import Lab
    from lab.server import Server

PAIR = ("srv-a", "srv-b")
CONF, PART = "/etc/keepalived/keepalived.conf", "/etc/keepalived/nvkeep.conf"
BEFORE = "/etc/nvkeep/.staged/before.json"
NOTHING = "nothing was changed on any host; fix this, then type again: nvkeep setup\n"
DIRECTORY = FILE.rpartition("/")[0]
FAILS = "/etc/systemd/system/keepalived.service.d/fails.conf"
MOUNT = "srv-pg.mount"


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with bare(PAIR) as made:
        yield made


def processes(server: Server) -> str:
    return server.run(("cat", "/run/vrrp.pid", "/run/keepalived.pid")).stdout


# --- what is refused


@pytest.fixture
def unset(lab: Lab) -> Iterator[Lab]:
    """Give a lab that nothing was set up in, and see that it stays so."""
    lab["srv-a"].write(FILE, protected.config())
    before = standing(lab)
    yield lab
    lab["srv-a"].write(FILE, protected.config())
    assert standing(lab) == before


def lacks(lab: Lab, host: str, what: str, fix: str) -> None:
    """Assert that setting up finds this row, and changes nothing on any host."""
    found = standing(lab)
    done = setup(lab["srv-a"], "--yes")
    assert done.returncode == 1, done.stdout + done.stderr
    assert done.stdout.endswith(NOTHING)
    assert any(what in row[1] and (row[0], row[2]) == (host, fix) for row in rows(done.stdout)), done.stdout
    assert standing(lab) == found


def test_a_host_that_cannot_be_reached_leaves_all_as_they_are(unset: Lab) -> None:
    b = unset["srv-b"]
    b.run(("systemctl", "stop", "ssh.service"))
    lacks(
        unset,
        "srv-b (from srv-a)",
        "ssh: cannot reach srv-b over ssh: ssh: connect to host srv-b port 22: Conn",
        "ssh srv-b true",
    )
    b.run(("systemctl", "start", "ssh.service"))


def test_what_one_keepalived_refuses_leaves_all_as_they_are(unset: Lab) -> None:
    a, b = unset
    conf = b.read(CONF) if b.path(CONF).exists() else None
    b.write(CONF, "global_defs {\n    vrrp_strict\n}\n")
    fix = "write strict_mode into the vrrp_instances that need it"
    lacks(
        unset,
        "srv-b",
        "keepalived: /etc/keepalived/keepalived.conf:2: vrrp_strict: it forbids unicast, which nvkeep uses",
        fix,
    )
    b.write(CONF, "vrrp_instance other {\n    adwert_int 1\n}\n")
    lacks(unset, "srv-b", "Unknown keyword 'adwert_int'", f"$EDITOR {CONF} && keepalived -t")
    number = a.run(("nvkeep", "show")).stdout.split("router_id: ")[1].split()[0]
    b.write(CONF, f"vrrp_instance other {{\n    interface hb0\n    virtual_router_id {number}\n}}\n")
    lacks(unset, "srv-b", f"has virtual router id {number} on hb0, as service pg of cluster.yaml", "write there router_id: 1")
    b.path(CONF).unlink()
    if conf is not None:
        b.write(CONF, conf)
    b.run(("mv", "/usr/sbin/keepalived", "/usr/sbin/keepalived.real"))
    lacks(unset, "srv-b", "keepalived: keepalived is not installed here", "apt-get install keepalived")
    b.run(("mv", "/usr/sbin/keepalived.real", "/usr/sbin/keepalived"))


def test_what_systemd_would_mount_leaves_all_as_they_are(unset: Lab) -> None:
    b = unset["srv-b"]
    b.write("/etc/fstab", "# comment\n/dev/nvmesh/vol1 /srv/pg ext4 defaults 0 0\n")
    fix = "sed -i '2s/^/# /' /etc/fstab && systemctl daemon-reload"
    lacks(unset, "srv-b", "MOUNTPOINT /srv/pg: line 2 of /etc/fstab mounts it as well", fix)
    b.write("/etc/fstab", "")
    b.write(f"/etc/systemd/system/{MOUNT}", "[Mount]\nWhat=/dev/vol1\nWhere=/srv/pg\n[Install]\nWantedBy=multi-user.target\n")
    b.run(("systemctl", "enable", MOUNT))
    lacks(unset, "srv-b", f"MOUNTPOINT /srv/pg: {MOUNT} is enabled, and mounts it as well", f"systemctl disable {MOUNT}")
    b.run(("systemctl", "disable", MOUNT))
    b.path(f"/etc/systemd/system/{MOUNT}").unlink()
    b.run(("systemctl", "daemon-reload"))


def test_a_host_that_is_another_one_leaves_all_as_they_are(unset: Lab) -> None:
    a, b = unset
    b.run(("mv", "/usr/bin/nvkeep", "/usr/bin/nvkeep.away"))
    lacks(unset, "srv-b", "nvkeep: it is not installed", "make install")
    b.write("/usr/bin/nvkeep", "#!/bin/sh\necho nvkeep 0.0.1\n", 0o755)
    lacks(unset, "srv-b", "nvkeep: it is nvkeep 0.0.1, and srv-a has nvkeep", "make install")
    run(("make", "-C", str(places.REPOSITORY), "install", f"DESTDIR=/proc/{b.pid}/root"), timeout=120)
    b.run(("rm", "/usr/bin/nvkeep.away"))
    assert "nvkeep: it is" not in setup(a, "--check").stdout
    b.run(("hostname", "srv-x"))
    lacks(unset, "srv-b", "`hostname -s` says srv-x there, and cluster.yaml calls it srv-b", "hostnamectl set-hostname srv-b")
    b.run(("hostnamectl", "set-hostname", "srv-b"))
    assert b.run(("hostname", "-s")).stdout == "srv-b\n"
    a.write(FILE, protected.config().replace("10.78.0.2}", "10.78.0.9}"))
    lacks(unset, "srv-b", "heartbeat: 10.78.0.9 is not on hb0", "ip address show dev hb0")


@pytest.mark.parametrize(("options", "said"), [("ro", "mkdir: cannot create directory"), ("size=4k", "scp: ")])
def test_a_host_that_cannot_be_written_to_leaves_all_as_they_are(unset: Lab, options: str, said: str) -> None:
    b = unset["srv-b"]
    b.run(("mkdir", "-p", DIRECTORY))
    b.run(("mount", "-t", "tmpfs", "-o", options, "none", DIRECTORY))
    if options != "ro":
        b.run(("sh", "-c", f"head -c 4096 /dev/zero > {DIRECTORY}/full"))
    fix = f"df {DIRECTORY}; findmnt -T {DIRECTORY}"
    try:
        lacks(unset, "srv-b", f"{DIRECTORY}: cannot write a file there: {said}", fix)
        assert b.run(("sh", "-c", fix)).returncode == 0
    finally:
        b.run(("umount", DIRECTORY))


def rows(printed: str) -> list[list[str]]:
    """Read the table as a person does: host, what is missing, what fixes it."""
    head, *lines = printed[: printed.index(NOTHING)].splitlines()
    ends = (2, head.index("what is missing"), head.index("what fixes it"), None)
    found: list[list[str]] = []
    for line in lines:
        cells = [line[begin:end].strip() for begin, end in pairwise(ends)]
        if cells[0]:
            found.append(cells)
        else:
            found[-1][1] += f" {cells[1]}"
    return found


def test_whoever_cannot_be_asked_changes_nothing(lab: Lab) -> None:
    a, _ = lab
    a.write(FILE, protected.config())
    before = standing(lab)
    done = setup(a)
    assert (done.returncode, done.stdout) == (2, "")
    assert "no terminal" in done.stderr
    assert "nvkeep setup --yes" in done.stderr
    assert a.run(("setpriv", "--reuid=65534", *SETUP, "--yes"), check=False).returncode == 2
    assert standing(lab) == before
    a.path(FILE).unlink()
    done = setup(a, "--yes")
    assert done.returncode == 2
    assert f"there is no {FILE}" in done.stderr


# --- the questions


ON_A_TERMINAL = textwrap.dedent("""
    import json, os, pty, select, sys
    answers = json.loads(sys.argv[1])
    pid, terminal = pty.fork()
    if not pid:
        os.execv("/usr/bin/nvkeep", ["nvkeep", "setup"])
    seen = b""
    while select.select([terminal], [], [], 120)[0]:
        try:
            seen += os.read(terminal, 4096)
        except OSError:
            break
        while answers and answers[0][0].encode() in seen[-400:].split(b"\\n")[-1]:
            os.write(terminal, answers.pop(0)[1].encode() + b"\\n")
            seen += b"\\n"
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    print(json.dumps({"code": code, "seen": seen.decode(), "left": answers}))
""")


def on_a_terminal(server: Server, *answers: tuple[str, str]) -> tuple[int, str, list[list[str]]]:
    """Type answers at prompts; give the exit code, what was seen, and what was not asked."""
    done = server.run(("python3", "-I", "-c", ON_A_TERMINAL, json.dumps(answers)), timeout=240)
    told = json.loads(done.stdout)
    return told["code"], told["seen"].replace("\r\n", "\n"), told["left"]


def test_the_questions_make_a_file_that_is_right(lab: Lab) -> None:
    a, b = lab
    a.path(FILE).unlink(missing_ok=True)
    before = standing(lab)
    code, seen, left = on_a_terminal(
        a, ("Name of the cluster [cluster]", ""), ("The other hosts", "srv_b"), ("The other hosts", "srv-b"),
        ("Heartbeat interface on srv-a", "hb0"), ("its address on srv-a [10.78.0.1]", ""),
        ("Heartbeat interface on srv-b [hb0]", ""), ("its address on srv-b [10.78.0.2]", ""),
        ("Another heartbeat network", "none"), ("first service", "pg"), ("[nvmesh]", ""), ("Name of the volume", "vol1"),
        ("Mount point, or none [/srv/pg]", ""), ("type of the file system", "ext4"), ("Floating address", "10.77.0.10"),
        ("Floating address", "10.77.0.10/24"), ("belongs on [host0]", ""), ("Units to run", "postgresql@15-main.service"),
        ("TCP port", "5432"), ("Write this to", "y"), ("Do it?", "n"),
    )  # fmt: skip
    assert '"srv_b" is not a host name; an underscore is not allowed in one: hostnamectl set-hostname srv-b' in seen
    assert '"10.77.0.10" has no prefix length; write 10.77.0.10/24' in seen
    assert left in ([], [["Do it?", "n"]]), seen
    assert code == 1, seen
    assert "nothing was changed" in seen
    assert a.run(("nvkeep", "check")).stdout.endswith("right: pg on srv-a, srv-b\n")
    a.path(FILE).unlink()
    assert standing(lab) == before
    assert not b.path(FILE).exists()


# --- all or none


def test_what_one_host_cannot_do_is_taken_back_on_all(lab: Lab) -> None:
    """The keepalived of srv-b takes its file and does not start: srv-a may serve by then, and hands that over first.

    Its file is in another encoding, and not only root's: `standing` compares bytes, owner, group and mode.
    """
    a, b = lab
    had = b.path(CONF).read_bytes() if b.path(CONF).exists() else None
    b.path(CONF).write_bytes("# Rechner für Köln\r\n".encode("latin-1"))
    b.run(("chown", "root:adm", CONF))
    b.run(("chmod", "640", CONF))
    a.write(FILE, protected.config())
    b.write(FAILS, "[Service]\nExecStartPre=/bin/false\n")
    b.run(("systemctl", "daemon-reload"))
    before = standing(lab)
    done = setup(a, "--yes")
    assert done.returncode == 3, done.stdout + done.stderr
    assert "srv-b: `systemctl start -- keepalived.service` ended with" in done.stdout
    assert "srv-a: as it was\n" in done.stdout
    assert "srv-b: as it was\n" in done.stdout
    assert standing(lab) == before
    for server in lab:
        assert_clean(server)
        assert not server.path("/run/nvkeep/leaving").exists()
    b.path(CONF).unlink()
    if had is not None:
        b.path(CONF).write_bytes(had)
    b.run(("rm", "-r", FAILS.rpartition("/")[0]))
    b.run(("systemctl", "daemon-reload"))


def test_killed_in_the_middle_it_is_made_again_or_taken_back(lab: Lab) -> None:
    a, b = lab
    a.write(FILE, protected.config())
    before = standing(lab)

    def killed() -> None:
        a.run(("systemd-run", "--quiet", "--collect", "--unit=guided", *SETUP, "--yes"))
        until(lambda: b.path(BEFORE).exists() or a.path(BEFORE).exists(), within=60, what="no host is changed", every=0.002)
        a.run(("systemctl", "kill", "--signal=KILL", "guided.service"))
        until(lambda: not guided(a, b), within=60, what="a step that had begun does not end")

    killed()
    assert standing(lab) != before
    for server in lab:
        assert setup(server, "--undo").returncode == 0
    assert standing(lab) == before
    killed()
    done = setup(a, "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    switch(lab, active="active", enabled="enabled")
    assert not any(server.path(BEFORE).exists() for server in lab)


def guided(*servers: Server) -> bool:
    return any("nvkeep setup" in server.run(("ps", "-eo", "args")).stdout for server in servers)


# --- set up


def test_setup_serves_and_made_again_changes_nothing_for_whoever_writes(lab: Lab) -> None:
    """What is changed in cluster.yaml later is brought to both without a gap; keepalived goes on as the same process."""
    a, b = lab
    a.write(FILE, protected.config())
    assert setup(a, "--yes").returncode == 0
    pair = Pair(lab)
    before, running = standing(lab), [processes(server) for server in lab]
    again = setup(a, "--yes")
    assert again.returncode == 0, again.stdout
    assert again.stdout == ("srv-a, srv-b: set up as cluster.yaml says; nothing was changed\nnext: nvkeep status\n")
    assert standing(lab) == before

    b.write(FILE, protected.config().replace("reconcile: ", "advert: 0.3, reconcile: "))
    code, seen, left = on_a_terminal(b, ("Do it?", "y"))
    assert (code, left) == (0, []), seen
    assert f"srv-a: write {FILE}, write {PART}, reload keepalived.service" in seen
    assert "srv-b: write /etc/keepalived/nvkeep.conf, reload keepalived.service" in seen
    order = [line.partition(":")[0] for line in seen.splitlines() if "keepalived was reloaded" in line]
    assert order == [pair.other.name, pair.active.name]
    assert "advert_int 0.3" in a.read(PART)
    assert a.read(FILE) == b.read(FILE)
    assert [processes(server) for server in lab] == running

    active, other = pair.active, pair.other
    other.run(("systemctl", "disable", "--now", "keepalived.service"))  # by hand, for whatever reason
    assert setup(active, "--yes").stdout.startswith("srv-a, srv-b: set up as")
    active.write(FILE, f"{active.read(FILE)}# a remark\n")
    assert setup(active, "--yes").returncode == 0
    assert other.read(FILE).endswith("# a remark\n")
    assert [one for one in units(other) if "=inactive" in one or "=disabled" in one] == [
        "ActiveState=inactive", "UnitFileState=disabled"
    ]  # fmt: skip
    other.run(("systemctl", "enable", "--now", "keepalived.service"))
    pair.wait_ready(other)
    result = pair.finish(active, other)
    MEASURED.append(
        f"setup: first served by {active.name}; longest gap of what was made again {result.longest_gap_seconds:.2f} s"
    )
    assert result.longest_steady_gap < QUIET


def test_a_change_that_the_serving_host_refuses_is_taken_back_and_nobody_who_writes_notices(lab: Lab) -> None:
    """The standby has it already, and runs with it, when keepalived of the host that serves cannot be reloaded."""
    pair = Pair(lab)
    pair.active.write(FAILS, "[Service]\nExecReload=\nExecReload=/bin/false\n")
    pair.active.run(("systemctl", "daemon-reload"))
    before = standing(lab)
    pair.other.write("/root/new.yaml", pair.other.read(FILE).replace("advert: 0.3", "advert: 0.4"))
    done = setup(pair.other, "--yes", "-f", "/root/new.yaml")
    assert done.returncode == 3, done.stdout + done.stderr
    assert f"{pair.other.name}: {PART} is in place; keepalived was reloaded" in done.stdout
    assert f"{pair.active.name}: systemctl reload keepalived.service ended with 1" in done.stdout
    assert [line for line in done.stdout.splitlines() if line.endswith(": as it was")] == [
        f"{pair.other.name}: as it was", f"{pair.active.name}: as it was"
    ]  # fmt: skip
    assert standing(lab) == before
    pair.active.run(("rm", "-r", FAILS.rpartition("/")[0]))
    pair.active.run(("systemctl", "daemon-reload"))
    pair.wait_ready(pair.other)
    result = pair.finish(pair.active, pair.other)
    MEASURED.append(f"setup: longest gap of a change that was taken back {result.longest_gap_seconds:.2f} s")
    assert result.longest_steady_gap < QUIET


def test_a_keepalived_that_ran_and_does_not_start_any_more_is_not_as_it_was(lab: Lab) -> None:
    """It neither reloads nor starts on the host that stands by; who writes on the other one does not notice."""
    pair = Pair(lab)
    b = pair.other
    before = standing(lab)
    b.write(FAILS, "[Service]\nExecReload=\nExecReload=/bin/false\nExecStartPre=/bin/false\n")
    b.run(("systemctl", "daemon-reload"))
    pair.active.write("/root/new.yaml", b.read(FILE).replace("advert: 0.3", "advert: 0.4"))
    done = setup(pair.active, "--yes", "-f", "/root/new.yaml")
    assert done.returncode == 4, done.stdout + done.stderr
    words = "keepalived ran before and does not start; journalctl -u keepalived"
    assert f"{b.name}: NOT taken back: {words}; there: nvkeep setup --undo\n" in done.stdout
    assert b.path(BEFORE).exists()
    b.run(("rm", "-r", FAILS.rpartition("/")[0]))
    b.run(("systemctl", "daemon-reload"))
    done = setup(b, "--undo")
    assert (done.returncode, done.stdout) == (0, "as it was\n"), done.stderr
    assert standing(lab) == before
    pair.wait_ready(b)
    result = pair.finish(pair.active, b)
    assert result.longest_steady_gap < QUIET


def test_local_tells_what_is_left_to_do(lab: Lab) -> None:
    a, b = lab
    b.run(("systemctl", "stop", "ssh.service"))
    done = setup(a, "--yes", "--local", "--no-keepalived-at-boot")
    b.run(("systemctl", "start", "ssh.service"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "disable keepalived.service" in done.stdout
    assert "on srv-b, too: put the same /etc/nvkeep/cluster.yaml there" in done.stdout
    a.run(("sh", "-c", done.stdout.partition("there (")[2].partition(")")[0]))  # the printed scp
    assert a.run(("systemctl", "is-enabled", "keepalived"), check=False).stdout == "disabled\n"
    assert setup(a, "--yes").stdout.startswith("srv-a, srv-b: set up as")
    assert json.loads(setup(b, "--check", "--json").stdout)["changes"] == []


def test_the_originals_name_for_it(lab: Lab) -> None:
    a, b = lab
    done = a.run(("nvkeep_apply_config",), check=False, timeout=180)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[0] == f"* Checking {FILE}"
    assert done.stdout.splitlines()[-1] == "All done."
    before = standing(lab)
    b.run(("systemctl", "stop", "ssh.service"))
    done = a.run(("nvkeep_apply_config",), check=False, timeout=180)
    b.run(("systemctl", "start", "ssh.service"))
    assert (done.returncode, done.stderr) == (1, "All done, but errors were encountered.\n")
    assert "ssh srv-b true" in done.stdout
    assert standing(lab) == before
