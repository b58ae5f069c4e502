"""`nvkeep keepalived --install` on a real server with a real keepalived that somebody else uses too. Needs root."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import pytest

from lab import protected
from lab.cluster import Lab
from lab.commands import LabError, until

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

    from lab.server import Server

CONF, PART, FIFO = "/etc/keepalived/keepalived.conf", "/etc/keepalived/nvkeep.conf", "/run/nvkeep/vrrp.fifo"
GLOBALS = """\
global_defs {
    router_id theirs
    vrrp_version 2
    notify_fifo /run/theirs.fifo root root
}
"""
OTHER = """\
vrrp_instance other {
    state BACKUP
    interface host0
    virtual_router_id 7
    priority 100
    advert_int 1
    virtual_ipaddress {
        10.77.0.99/24 dev host0
    }
}
"""
INSTALL = ("nvkeep", "keepalived", "--install")


@pytest.fixture
def server() -> Iterator[Server]:
    """Give a server with nvkeep in it, on which keepalived has nothing to do with nvkeep yet."""
    with Lab(("srv-a",), config=protected.config()) as lab:
        yield lab["srv-a"]


def start(server: Server, text: str, mode: int = 0o600) -> None:
    """Let keepalived run with somebody else's configuration, until their instance is MASTER."""
    server.write(CONF, text, mode)
    server.run(("systemctl", "start", "keepalived"))
    until(lambda: "other MASTER" in words(server), within=20, what="the other instance is not MASTER")


def words(server: Server) -> str:
    return server.run(("nvkeep", "role"), check=False).stdout


def install(server: Server) -> subprocess.CompletedProcess[str]:
    return server.run(INSTALL, check=False, timeout=90)


def vrrp_process(server: Server) -> str:
    return server.run(("cat", "/run/vrrp.pid")).stdout.strip()


def said(server: Server, what: str) -> int:
    """Count how often keepalived has said something since it was started."""
    return server.journal("keepalived.service", 1000).count(what)


def files(server: Server) -> dict[str, str]:
    names = server.run(("find", "/etc/keepalived", "-type", "f")).stdout.split()
    return {name: server.read(name) for name in names}


def test_another_administrators_instance_survives(server: Server) -> None:
    start(server, GLOBALS + OTHER)
    process = vrrp_process(server)
    done = install(server)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{PART} is in place; keepalived was reloaded and runs pg@hb0\n"
    assert "other MASTER" in words(server)
    assert "pg@hb0 FAULT" in words(server)  # nobody has written its flag: it fails closed
    server.write("/run/nvkeep/eligible/pg", "1\n")
    until(lambda: "pg@hb0 MASTER" in words(server), within=10, what="pg@hb0 does not heed its flag")
    assert vrrp_process(server) == process
    assert said(server, "(other) Entering MASTER STATE") == 1
    assert said(server, "(other) removing VIPs") <= 1
    assert server.read(CONF) == f"{GLOBALS}{OTHER}\n# nvkeep's part; made by `nvkeep keepalived`\ninclude {PART}\n"
    assert server.path(CONF).stat().st_mode & 0o777 == 0o600

    reloads, before = said(server, "Reloading"), files(server)
    assert reloads > 0
    again = install(server)
    assert (again.returncode, again.stdout) == (0, f"{PART} is as generated; nothing to change\n")
    assert (said(server, "Reloading"), files(server), vrrp_process(server)) == (reloads, before, process)
    assert server.run(("nvkeep", "keepalived", "--check")).stdout == "as generated\n"
    assert "[OK] KEEPALIVED: as generated\n" in server.run(("nvkeep", "check", "--host")).stdout

    made = server.read(PART)
    server.write(PART, made.replace("priority 200", "priority 7"))
    check = server.run(("nvkeep", "keepalived", "--check"), check=False)
    assert check.returncode == 1
    assert "says `priority 7`, cluster.yaml makes it `priority 200`; nvkeep keepalived --install" in check.stdout
    assert install(server).returncode == 0
    assert server.read(PART) == made
    assert vrrp_process(server) == process

    server.write("/run/nvkeep/keepalived.pending", "")  # as a run leaves it that was killed before the reload
    assert "it was reloaded" in install(server).stdout
    assert install(server).stdout == f"{PART} is as generated; nothing to change\n"


def test_without_a_keepalived_conf_one_is_written_and_keepalived_starts_with_it(server: Server) -> None:
    server.path(CONF).unlink(missing_ok=True)
    done = install(server)
    assert (done.returncode, done.stdout) == (
        0,
        f"{PART} is in place; keepalived does not run here: systemctl enable --now keepalived\n",
    )
    server.run(("systemctl", "start", "keepalived"))
    until(lambda: "pg@hb0 FAULT" in words(server), within=10, what="keepalived does not run our instance")
    assert server.run(("nvkeep", "keepalived", "--check")).stdout == "as generated\n"


def test_what_is_refused_changes_nothing(server: Server) -> None:
    start(server, GLOBALS + OTHER)
    process, reloads = vrrp_process(server), said(server, "Reloading")

    def refused(theirs: str, sentence: str) -> None:
        server.write(CONF, theirs, 0o600)
        before = files(server)
        done = install(server)
        assert done.returncode == 1
        assert sentence in done.stderr
        assert done.stderr.endswith("nothing was changed\n")
        assert files(server) == before

    refused(GLOBALS + OTHER.replace("advert_int", "adwert_int"), "Unknown keyword 'adwert_int'")
    refused(GLOBALS + OTHER.rstrip().removesuffix("}"), "missing '}'s")
    refused(GLOBALS.replace("notify_fifo", "vrrp_notify_fifo") + OTHER, "keepalived has only one such FIFO")
    refused(GLOBALS.replace("vrrp_version 2", "vrrp_rt_priority 50") + OTHER, "a reload may kill keepalived")
    refused(OTHER.replace("other", "pg@hb0"), "nvkeep writes one of this name")
    number = (
        server.read("/etc/nvkeep/cluster.yaml") and server.run(("nvkeep", "show")).stdout.split("router_id: ")[1].split()[0]
    )
    clash = OTHER.replace("host0", "hb0").replace("router_id 7", f"router_id {number}")
    refused(clash, f"virtual router id {number} on hb0, as service pg of cluster.yaml; write there router_id: 1\n")
    refused("global_defs {\n    notify_fifo /run/x\n    script_user root\n}\n", "write notify_fifo /run/x root root")

    server.write(CONF, GLOBALS + OTHER, 0o600)
    cluster = server.read("/etc/nvkeep/cluster.yaml")
    server.write("/etc/nvkeep/cluster.yaml", cluster.replace("interface: hb0", "interface: hb9"))
    refused(GLOBALS + OTHER, "there is no interface hb9 here")
    server.write("/etc/nvkeep/cluster.yaml", cluster.replace("10.78.0.1}", "10.78.0.9}"))
    refused(GLOBALS + OTHER, "10.78.0.9 is not on hb0")
    server.write("/etc/nvkeep/cluster.yaml", cluster)
    server.run(("rm", FIFO))
    refused(GLOBALS + OTHER, f"{FIFO} is missing")
    server.write(FIFO, "")
    refused(GLOBALS + OTHER, f"{FIFO} is a regular empty file of 0")
    assert (vrrp_process(server), said(server, "Reloading")) == (process, reloads)
    assert "other MASTER" in words(server)


@pytest.mark.parametrize("kill", ["kill -SEGV $(cat /run/vrrp.pid)", "kill -KILL $MAINPID"])
def test_when_keepalived_does_not_survive_the_reload_the_previous_file_is_back(server: Server, kill: str) -> None:
    """The first is what 2.1.5 does with multicast beside unicast, the second what 2.2.7 does with the wrong order."""
    start(server, GLOBALS + OTHER)
    dropin = f"[Service]\nExecReload=\nExecReload=/bin/sh -c '{kill}'\n"
    server.write("/run/systemd/system/keepalived.service.d/die.conf", dropin)
    server.run(("systemctl", "daemon-reload"))
    done = install(server)
    assert done.returncode == 3, done.stderr
    reasons = ("did not survive the reload", "keepalived does not know", "`systemctl reload", "systemctl reload keepalived")
    assert any(reason in done.stderr for reason in reasons)
    assert "the previous files are back" in done.stderr
    assert "the previous files are back, and keepalived runs with them" in done.stderr
    assert server.read(CONF) == GLOBALS + OTHER
    assert not server.path(PART).exists()
    until(lambda: "other MASTER" in words(server), within=20, what="the other instance is not MASTER again")
    assert "pg@hb0" not in words(server).partition("(")[2]


def test_order_does_not_matter_to_our_part(server: Server) -> None:
    """With vrrp_notify_fifo before script_user a SIGHUP ends keepalived 2.2.7, unless the FIFO has a user of its own."""
    security = "global_defs {\n    enable_script_security\n    script_user root\n}\n"
    start(server, f"use_pid_dir\ninclude {PART}\n{OTHER}{security}")
    assert install(server).returncode == 0
    process = server.run(("cat", "/run/keepalived/vrrp.pid")).stdout
    for _ in range(3):
        before = said(server, "Reload complete")
        server.run(("systemctl", "reload", "keepalived"))
        until(lambda before=before: said(server, "Reload complete") > before, within=10, what="the reload does not end")  # type: ignore[misc]
        assert "other MASTER, pg@hb0" in words(server) or "pg@hb0 FAULT, other MASTER" in words(server)
    assert server.run(("cat", "/run/keepalived/vrrp.pid")).stdout == process


def test_the_passage_that_an_earlier_nvkeep_printed_is_replaced(server: Server) -> None:
    printed = server.run(("nvkeep", "keepalived")).stdout
    start(server, printed + OTHER)
    process = vrrp_process(server)
    done = install(server)
    assert done.returncode == 0, done.stderr
    assert server.read(CONF).startswith(OTHER)
    assert "vrrp_instance pg@hb0" not in server.read(CONF)
    assert server.read(PART) == printed
    assert "other MASTER" in words(server)
    assert vrrp_process(server) == process


ASK_BY_TEXT = textwrap.dedent("""
    import sys
    sys.path[:0] = ["/usr/lib/nvkeep/current", "/usr/lib/nvkeep/current/vendor"]
    from nvkeep.host import LocalHost
    from nvkeep.keepalived import roles
    from nvkeep.keepalived.dump import parse_text
    host = LocalHost()
    text = roles.Way(roles.SIGUSR1, "keepalived.data", parse_text, 0.02, twice=True)
    print(roles._dump(host, roles.running(host), text).words == roles.ask_now(host).words != ())
""")


def test_keepalived_can_be_asked_in_every_way(server: Server) -> None:
    start(server, OTHER)
    assert install(server).returncode == 0
    assert server.run(("/usr/bin/python3", "-c", ASK_BY_TEXT)).stdout == "True\n"

    server.run(("rm", "/usr/lib/systemd/system/keepalived.service.d/nvkeep.conf"))
    server.run(("systemctl", "daemon-reload"))
    server.run(("systemctl", "restart", "keepalived"))
    until(lambda: "other MASTER" in words(server), within=20, what="keepalived does not answer in /tmp")
    check = server.run(("nvkeep", "keepalived", "--check"), check=False)
    assert "the drop-in nvkeep.conf of keepalived.service is not in use" in check.stdout
    server.run(("ln", "-s", "/nowhere/x", "/tmp/keepalived.json"), check=False)
    assert "other MASTER" in words(server)  # it was removed, and keepalived's own came in its place


def test_a_file_emptied_by_accident_is_seen(server: Server) -> None:
    start(server, OTHER)
    assert install(server).returncode == 0
    server.write(PART, "")
    check = server.run(("nvkeep", "keepalived", "--check"), check=False)
    assert check.returncode == 1
    assert "nvkeep.conf:1 ends too early" in check.stdout
    server.write(CONF, "")
    with pytest.raises(LabError, match="does not say"):
        server.run(("nvkeep", "keepalived", "--check"))
