"""Other people's keepalived.conf, drift, and what keepalived says of itself: with real files, without keepalived."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from nvkeep.config import parsing
from nvkeep.errors import Unsuited
from nvkeep.host import Completed, LocalHost
from nvkeep.host.base import READ_BYTES
from nvkeep.keepalived import CONF, PART, Build, Version, configuration, drifted, written
from nvkeep.keepalived.drift import build_of
from nvkeep.keepalived.dump import parse, parse_text
from nvkeep.keepalived.install import checks, installer
from nvkeep.keepalived.install.candidate import FRESH, main_with_include, without_passage
from nvkeep.keepalived.install.conflicts import clashes
from nvkeep.keepalived.names import INCLUDE
from nvkeep.keepalived.parser import instances, statements, whole
from nvkeep.keepalived.version import printed, refuse
from nvkeep.state.service import flag_path
from tests.unit.played import Played

GOLDEN = Path(__file__).parents[2] / "golden" / "keepalived"
CLUSTER = parsing.parse((GOLDEN / "cluster.yaml").read_text())
NEW = Version(2, 2, 7)
OLD_FORM = (GOLDEN / "old" / "server01.conf").read_text()
THEIRS = """\
! of the web people
global_defs {
    router_id web   # a label
    script_user nobody
}
vrrp_instance VI_web
{
    state MASTER
    interface eth1
    virtual_router_id 7
    virtual_ipaddress { 10.9.9.9/24 dev eth1 }
}
"""


class Rooted(LocalHost):
    """This machine, its files below another directory."""

    def __init__(self, root: Path, name: str = "server01") -> None:
        super().__init__(name)
        self.root = root

    def at(self, path: str) -> str:
        return f"{self.root}{path}"

    def read(self, path: str, most: int = READ_BYTES) -> str:
        return super().read(self.at(path), most)

    def write(self, path: str, text: str, *, durable: bool = False) -> None:
        super().write(self.at(path), text, durable=durable)

    def exists(self, path: str) -> bool:
        return super().exists(self.at(path))

    def names(self, directory: str) -> list[str]:
        return super().names(self.at(directory))

    def link_target(self, path: str) -> str | None:
        return super().link_target(self.at(path))


@pytest.fixture
def host(tmp_path: Path) -> Rooted:
    here = Rooted(tmp_path)
    here.write("/usr/bin/grep", "")
    return here


def found(text: str, version: Version = NEW, host: str = "server01") -> list[str]:
    return list(map(str, clashes(list(statements(text)), CLUSTER, host, version)))


# --- versions


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("Keepalived v2.2.7 (01/16,2022)\n\nCopyright(C) 2001-2022", (2, 2, 7)),
        ("Keepalived v1.3.5 (03/19,2017), git commit v1.3.5-6-g6fa32f2\n", (1, 3, 5)),
        ("Keepalived v2.0.10 (11/12,2018)\n", (2, 0, 10)),
    ],
)
def test_the_version_is_read(text: str, version: tuple[int, int, int]) -> None:
    assert printed(text) == version


@pytest.mark.parametrize("text", ["", "keepalived: not found", "Usage: keepalived [OPTION...]", "Keepalived v2.x"])
def test_a_version_that_is_not_read_is_an_error_that_tells_the_option(text: str) -> None:
    with pytest.raises(Unsuited, match="--for-version"):
        printed(text)


def test_two_hosts_may_live_with_1_3_6() -> None:
    refuse(Version(1, 3, 6), 2)
    with pytest.raises(Unsuited, match="two hosts"):
        refuse(Version(1, 3, 6), 3)


def test_where_bin_is_a_link_grep_is_in_usr_bin_and_where_not_it_is_in_bin(tmp_path: Path) -> None:
    """1.3.6 disables a script that it reaches through a link, and runs without it."""
    merged, split = Rooted(tmp_path / "merged"), Rooted(tmp_path / "split")
    merged.write("/usr/bin/grep", "")
    (tmp_path / "merged/bin").symlink_to("usr/bin")
    split.write("/bin/grep", "")
    assert build_of(merged, NEW).grep == "/usr/bin/grep"
    assert build_of(split, NEW).grep == "/bin/grep"


# --- reading what others wrote


def test_statements_know_their_blocks_and_lines() -> None:
    got = {one.words[0]: (one.blocks, one.line) for one in statements(THEIRS)}
    assert got["router_id"] == (("global_defs",), 3)
    assert got["state"] == (("vrrp_instance VI_web",), 8)
    assert got["10.9.9.9/24"] == (("vrrp_instance VI_web", "virtual_ipaddress"), 11)


def test_instances_of_others() -> None:
    (one,) = instances(list(statements(THEIRS)))
    assert (one.name, one.interface, one.router_id, one.unicast) == ("VI_web", "eth1", 7, False)


def test_files_that_are_included_are_read_and_our_own_is_not(host: Rooted) -> None:
    host.write("/etc/keepalived/conf.d/web.conf", "vrrp_instance VI_web {\n interface eth0\n virtual_router_id 51\n}\n")
    host.write("/etc/keepalived/conf.d/.hidden.conf", "vrrp_strict\n")
    host.write(PART, "vrrp_instance nfs@eth0 {\n}\n")
    text = f"include conf.d/*.conf\n{INCLUDE}\n"
    (one,) = instances(list(whole(host, text)))
    assert one.place == "/etc/keepalived/conf.d/web.conf:1"


# --- what does not go together


@pytest.mark.parametrize(
    "line",
    ["vrrp_notify_fifo /run/x", "vrrp_notify_fifo_script /bin/x", "vrrp_strict", "vrrp_rt_priority 50", "reload_file /x",
     "@server01 vrrp_strict", "net_namespace blue"],
)  # fmt: skip
def test_globals_that_are_refused(line: str) -> None:
    (sentence,) = found(f"global_defs {{\n    {line} # why\n}}\n")
    assert sentence.startswith(f"{CONF}:2: ")
    assert "; " in sentence


@pytest.mark.parametrize(
    "line",
    ["vrrp_version 2", "script_user nobody", "enable_script_security", "notify_fifo /run/x", "use_pid_dir", "router_id x",
     "vrrp_down_timer_adverts 5", "dynamic_interfaces", "# vrrp_strict", "! vrrp_strict", "fifo_write_vrrp_states_on_reload"],
)  # fmt: skip
def test_globals_that_were_tried_and_are_harmless(line: str) -> None:
    assert not found(f"global_defs {{\n    {line}\n}}\n")


def test_an_instance_of_keepalived_as_a_whole_is_not_a_vrrp_instance() -> None:
    assert "pidfiles" in found("instance blue\n")[0]
    assert not found("vrrp_instance instance {\n interface eth9\n}\n")


def test_before_2_0_18_script_user_has_to_be_root() -> None:
    text = "global_defs {\n script_user nobody\n}\n"
    assert "write user NAME" in found(text, Version(2, 0, 10), "server01")[0]
    assert not found(text.replace("nobody", "root"), Version(2, 0, 10), "server01")


def test_a_router_id_that_others_use_on_the_same_interface() -> None:
    text = "vrrp_instance VI {\n interface eth0\n virtual_router_id 51\n unicast_peer {\n 10.0.0.9\n }\n}\n"
    (sentence,) = found(text)
    assert "virtual router id 51 on eth0, as service nfs" in sentence
    assert sentence.endswith("write there router_id: 1")
    assert found(text + text.replace("VI", "VJ").replace("51", "1"))[0].endswith("write there router_id: 2")
    assert not found(text.replace("eth0", "eth7"))
    assert not found(text.replace("51", "52"))


def test_an_instance_with_our_name() -> None:
    assert "nvkeep writes one of this name" in found("vrrp_instance nfs@eth0 {\n interface eth7\n}\n")[0]


def test_the_originals_instances_are_named_wherever_they_beat() -> None:
    """Its scripts would go on taking the same volumes."""
    (sentence,) = found("vrrp_instance nvkeep_inst_HOST_A {\n interface eth7\n virtual_router_id 1\n}\n")
    assert "is the original nvkeep's" in sentence
    assert sentence.endswith("; shut it down by its own nvkeep_clean_shutdown.original and remove it (docs/original.md)")


def test_multicast_beside_our_unicast_crashes_2_1_5() -> None:
    text = "vrrp_instance VI {\n interface eth0\n virtual_router_id 9\n}\n"
    assert "2.1.5 crashes" in found(text, Version(2, 1, 5))[0]
    assert not found(text.replace("virtual", "unicast_peer {\n 10.0.0.9\n }\n virtual"), Version(2, 1, 5))
    assert not found(text)


# --- their file and our line


@pytest.mark.parametrize("empty", [None, "", "\n  \n", OLD_FORM])
def test_without_a_file_of_theirs_a_fresh_one_is_written(empty: str | None) -> None:
    assert main_with_include(empty) == FRESH
    assert main_with_include(FRESH) == FRESH


def test_theirs_stays_as_it_is_and_gets_one_line_at_its_end() -> None:
    made = main_with_include(THEIRS)
    assert made.startswith(THEIRS)
    assert made.splitlines()[-1] == INCLUDE
    assert main_with_include(made) == made


@pytest.mark.parametrize("line", [INCLUDE, "include nvkeep.conf", "includea nvkeep.conf", f'include "{PART}"'])
def test_an_include_line_in_other_words_is_left_alone(line: str) -> None:
    assert main_with_include(f"{line}\n{THEIRS}") == f"{line}\n{THEIRS}"


@pytest.mark.parametrize("line", [f"# {INCLUDE}", "include other.conf", f"vrrp_instance x {{\n {INCLUDE}\n}}"])
def test_a_line_that_does_not_include_us_is_none(line: str) -> None:
    assert main_with_include(f"{line}\n").splitlines()[-1] == INCLUDE


@pytest.mark.parametrize(
    "passage", [OLD_FORM, (GOLDEN / "server01-2.2.7.conf").read_text(), (GOLDEN / "server01-1.3.9.conf").read_text()]
)
@pytest.mark.parametrize("before", ["", THEIRS])
@pytest.mark.parametrize("after", ["", THEIRS, "# mine\nglobal_defs {\n    router_id x\n}\n"])
def test_the_passage_of_an_earlier_nvkeep_is_taken_out_and_nothing_else(passage: str, before: str, after: str) -> None:
    assert without_passage(before + passage + after) == before + after


# --- drift


def test_no_drift(host: Rooted) -> None:
    host.write(PART, configuration(CLUSTER, "server01", Build(NEW)))
    host.write(CONF, main_with_include(THEIRS))
    assert drifted(host, CLUSTER) is None


def test_printed_into_keepalived_conf_itself_is_as_generated_too(host: Rooted) -> None:
    host.write(CONF, configuration(CLUSTER, "server01", Build(NEW)))
    assert drifted(host, CLUSTER) is None


def test_the_first_difference_is_named_with_what_to_type(host: Rooted) -> None:
    host.write(PART, configuration(CLUSTER, "server01", Build(NEW)).replace("priority 200", "priority 90"))
    host.write(CONF, FRESH)
    seen = str(drifted(host, CLUSTER))
    assert seen.startswith(f"{PART}:22 says `priority 90`, cluster.yaml makes it `priority 200`")
    assert seen.endswith("; nvkeep keepalived --install")


@pytest.mark.parametrize("lines", [0, 1, 30])
def test_a_file_cut_short_is_drift(host: Rooted, lines: int) -> None:
    whole_text = configuration(CLUSTER, "server01", Build(NEW))
    host.write(PART, "".join(whole_text.splitlines(keepends=True)[:lines]))
    host.write(CONF, FRESH)
    assert str(drifted(host, CLUSTER)).endswith("; nvkeep keepalived --install")


def test_every_other_way_to_be_wrong_is_a_sentence(host: Rooted) -> None:
    fix = "; nvkeep keepalived --install"
    assert str(drifted(host, CLUSTER)).endswith(f"is missing{fix}")
    host.write(CONF, THEIRS)
    assert str(drifted(host, CLUSTER)) == f"{CONF} does not say `{INCLUDE}`{fix}"
    host.write(CONF, FRESH)
    assert str(drifted(host, CLUSTER)).endswith(f"{PART} is missing{fix}")
    host.write(CONF, OLD_FORM)
    assert str(drifted(host, CLUSTER)) == f"{CONF} was not made by this nvkeep{fix}"
    host.name = "server02"
    host.write(CONF, FRESH)
    host.write(PART, configuration(CLUSTER, "server01", Build(NEW)))
    assert "server01" in str(drifted(host, CLUSTER))


def test_a_file_that_cannot_be_read_is_not_called_drift(host: Rooted) -> None:
    host.write(f"{CONF}/in/the/way", "")
    assert "Is a directory; nvkeep cannot compare it" in str(drifted(host, CLUSTER))


def test_a_file_keeps_the_mode_it_had(host: Rooted, tmp_path: Path) -> None:
    """A keepalived.conf may hold a password."""
    host.write(CONF, THEIRS)
    Path(f"{tmp_path}{CONF}").chmod(0o600)
    host.write(CONF, FRESH)
    assert Path(f"{tmp_path}{CONF}").stat().st_mode & 0o777 == 0o600


# --- what keepalived says


@pytest.mark.parametrize("version", ["2.1.5", "2.2.7", "2.3.3"])
def test_the_text_that_real_keepalived_wrote(version: str) -> None:
    assert parse_text((GOLDEN / "dump" / f"{version}.data").read_text()) == (("nfs@eth0", "MASTER"),)


def test_the_text_of_old_ones() -> None:
    """Written after the source of 1.2, not captured: no global part, a number for a state without a name."""
    text = (
        "------< VRRP Topology >------\n VRRP Instance = a@eth0\n VRRP Version = 3\n   State = BACKUP\n"
        " VRRP Instance = b@eth0\n VRRP Version = 3\n   State = FAULT\n VRRP Instance = c@eth0\n   State = 0\n"
        "------< NIC >------\n Name = eth0\n is UP\n VRRP Instance = d@eth0\n   State = 97\n"
    )
    assert parse_text(text) == (("a@eth0", "BACKUP"), ("b@eth0", "FAULT"), ("c@eth0", "INIT"), ("d@eth0", "UNKNOWN"))


@pytest.mark.parametrize(
    "text", ["", "------< Global definitions >------\n", "------< VRRP Topology >------\n VRRP Instance = a\n"]
)
def test_text_that_is_not_whole_is_read_again(text: str) -> None:
    with pytest.raises(ValueError, match=r"keepalived\.data"):
        parse_text(text)


def test_json_version_2_puts_the_list_under_a_key() -> None:
    """As 2.3.3 wrote it."""
    assert parse('{"vrrp":[{"data":{"iname":"nfs@eth0","dont_track_primary":1,"state":2},"stats":{}}]}') == (
        ("nfs@eth0", "MASTER"),
    )


def test_only_what_root_wrote_is_believed(tmp_path: Path) -> None:
    """Another user may plant a file, or a link, where keepalived writes without TMPDIR."""
    answer = tmp_path / "keepalived.json"
    host = LocalHost()
    assert written.text(host, [str(tmp_path)], answer.name) == ""
    answer.write_text("[]")
    if os.geteuid() == 0:
        assert written.text(host, [str(tmp_path)], answer.name) == "[]"
        os.chown(answer, 65534, 65534)
    assert written.text(host, [str(tmp_path)], answer.name) == ""
    answer.unlink()
    answer.symlink_to("/proc/version")  # root's, and a plain file
    assert written.text(host, [str(tmp_path)], answer.name) == ""


@pytest.mark.parametrize("word", ["script_user root", "enable_script_security"])
def test_a_fifo_of_theirs_without_a_user_before_script_user(word: str) -> None:
    """2.2.7 ends at a reload then, as soon as reload_check_config is there, which our part brings."""
    assert found(f"global_defs {{\n notify_fifo /run/x\n {word}\n}}\n")[0].endswith("write notify_fifo /run/x root root")
    assert not found(f"global_defs {{\n notify_fifo /run/x root\n {word}\n}}\n")
    assert not found(f"global_defs {{\n {word}\n notify_fifo /run/x\n}}\n")


# --- killed anywhere


class Killed(BaseException):
    """The process has died here."""


class Dying(Rooted):
    """A host on which the process dies before its n-th act. keepalived does not run, and likes what it is shown."""

    lives = 10_000

    def act(self) -> None:
        self.lives -= 1
        if self.lives < 0:
            raise Killed

    def run(self, argv: Sequence[str], timeout: float = 10.0) -> Completed:
        self.act()
        if argv[0] == "cp":
            return super().run(("cp", "-p", self.at(argv[-2]), self.at(argv[-1])), timeout)
        link = [{"ifname": beat.interface, "addr_info": [{"local": str(beat.address), "prefixlen": 24}]} for beat in BEATS]
        out = {
            "stat": "fifo of 0\n",
            "ip": json.dumps(link),
            "systemctl": "LoadState=loaded\nActiveState=inactive\nSubState=dead\n",
        }
        return Completed(tuple(argv), 0, out.get(argv[0], ""), "")

    def write(self, path: str, text: str, *, durable: bool = False) -> None:
        self.act()
        super().write(path, text, durable=durable)

    def remove(self, path: str, *, durable: bool = False) -> None:
        self.act()
        LocalHost.remove(self, self.at(path), durable=durable)

    def lock(self, path: str, timeout: float) -> AbstractContextManager[None]:
        return super().lock(self.at(path), timeout)


BEATS = CLUSTER.hosts["server01"].heartbeats


@pytest.mark.parametrize("theirs", [None, THEIRS, OLD_FORM + THEIRS])
def test_killed_before_any_act_the_next_run_ends_it_and_keepalived_never_reads_half(tmp_path: Path, theirs: str | None) -> None:
    made = configuration(CLUSTER, "server01", Build(NEW))
    for lives in range(100):
        host = Dying(tmp_path / str(lives))
        for interface in {beat.interface for beat in BEATS}:
            host.write(f"/sys/class/net/{interface}/carrier", "1\n")
        if theirs is not None:
            host.write(CONF, theirs)
        host.lives = lives
        with contextlib.suppress(Killed):
            installer.install(host, CLUSTER, NEW)
        alive, host.lives = host.lives >= 0, 10_000
        main = host.read(CONF) if host.exists(CONF) else None
        assert main in (theirs, main_with_include(theirs))
        assert main == theirs or host.read(PART) == made
        assert installer.install(host, CLUSTER, NEW).code == 0
        assert drifted(host, CLUSTER) is None
        assert "nothing to change" in installer.install(host, CLUSTER, NEW).lines[0]
        assert not [name for name in host.names("/etc/keepalived") if name.startswith(".")]
        if alive:
            return
    raise AssertionError("it never ends")


# --- SELinux ------------------------------------------------------------------------------------------------------------

LABELLED = ("stat", "-c", "%C", "--")
WRONG, RIGHT = "system_u:object_r:var_run_t:s0", "system_u:object_r:keepalived_var_run_t:s0"
RUNNING = {
    "/run/keepalived.pid": "700\n", "/run/vrrp.pid": "701\n", "/proc/700/comm": "keepalived\n",
    "/proc/701/stat": f"701 (keepalived) S {' '.join(['0'] * 18)} 5 0\n", "/sys/fs/selinux/enforce": "1",
    "/proc/700/attr/current": "system_u:system_r:keepalived_t:s0\0",
}  # fmt: skip


@pytest.mark.parametrize(
    ("files", "fifo", "flags", "named"),
    [
        ({}, WRONG, WRONG, "/run/nvkeep/vrrp.fifo"),
        ({}, RIGHT, WRONG, "/run/nvkeep/eligible"),
        ({}, RIGHT, RIGHT, ""),
        ({"/sys/fs/selinux/enforce": "0"}, WRONG, WRONG, ""),
        ({"/proc/700/attr/current": "unconfined"}, WRONG, WRONG, ""),
    ],
)
def test_a_policy_that_confines_keepalived_is_named_with_the_module_that_lets_it(
    files: dict[str, str], fifo: str, flags: str, named: str
) -> None:
    labels = {(*LABELLED, "/run/nvkeep/vrrp.fifo"): fifo, (*LABELLED, "/run/nvkeep/eligible"): flags}
    said = {argv: Completed(argv, 0, f"{label}\n", "") for argv, label in labels.items()}
    found = checks.labels(Played(files=RUNNING | files, said=said))  # type: ignore[arg-type]  # as much of a Host as is asked
    assert bool(found) is bool(named)
    if found:
        assert f"keeps keepalived from {named}, which is labelled {WRONG}" in found.why
        assert found.fix == (
            "semodule -i /usr/share/nvkeep/nvkeep.cil && restorecon -R /run/nvkeep && systemctl reload keepalived"
        )


def test_the_policy_module_names_the_places_that_keepalived_is_given() -> None:
    text = (Path(__file__).parents[3] / "packaging" / "selinux" / "nvkeep.cil").read_text()
    for directory in ("/run", "/var/run"):
        assert f'(filecon "{directory}/nvkeep/eligible(/.*)?" any' in text
        assert f'(filecon "{directory}/nvkeep/vrrp\\.fifo" pipe' in text
    assert flag_path("pg") == "/run/nvkeep/eligible/pg"
