"""What the kernel writes -> who holds a file system. The texts are captured from real machines."""

import pytest

from nvkeep.probes import mountinfo
from nvkeep.unmount import blockers, processes
from nvkeep.unmount.blocker import Blocker, Sort

TABLE = mountinfo.places("""\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
23 22 0:21 / /proc rw,nosuid shared:12 - proc proc rw
40 22 252:0 / /srv/pg rw,noatime shared:30 - ext4 /dev/nvmesh/vol1 rw
41 40 0:52 / /srv/pg/tmp rw,relatime shared:31 - tmpfs tmpfs rw
42 22 252:0 /base /mnt/look\\040here rw,noatime shared:30 - ext4 /dev/nvmesh/vol1 rw
43 40 254:0 / /srv/pg/host rw,relatime shared:1 - ext4 /dev/vda rw
44 22 252:16 / /srv/pgother rw,relatime shared:32 - xfs /dev/nvmesh/vol2 rw
""")
PG = frozenset({"252:0"})


@pytest.mark.parametrize(
    ("cgroup", "unit"),
    [
        ("0::/system.slice/system-postgresql.slice/postgresql@15-main.service\n", "postgresql@15-main.service"),
        ("0::/user.slice/user-0.slice/session-3.scope\n", "session-3.scope"),
        ("0::/user.slice/user-1000.slice/user@1000.service/app.slice/backup.service\n", "user@1000.service"),
        ("0::/machine.slice/systemd-nspawn@a.service/payload/system.slice/x.service\n", "systemd-nspawn@a.service"),
        ("4:memory:/system.slice/a.service\n1:name=systemd:/system.slice/b.service\n0::/\n", "b.service"),
        ("0::/init.scope\n", "init.scope"),
        ("0::/system.slice/_cgroup.service\n", "cgroup.service"),
        ("0::/\n", ""),
        ("", ""),
    ],
)
def test_the_unit_of_a_process(cgroup: str, unit: str) -> None:
    assert processes.unit_of(cgroup) == unit


def test_what_is_mapped_is_told_by_device_not_by_path() -> None:
    maps = """\
55d0c0a00000-55d0c0a02000 r--p 00000000 fd:00 393220                     /srv/pg/decoy
7f1c2c000000-7f1c2c021000 rw-p 00000000 00:00 0
7f1c2e200000-7f1c2e228000 r-xp 00000000 fc:00 1181                       /usr/lib/with space.so
7ffd3a5e6000-7ffd3a607000 rw-p 00000000 00:00 0                          [stack]
"""
    assert processes.mapped(maps, PG) == "/usr/lib/with space.so"
    assert processes.mapped(maps, frozenset({"253:0"})) == "/srv/pg/decoy"
    assert processes.mapped(maps, frozenset({"8:1"})) == ""


def test_the_mount_of_an_open_file() -> None:
    assert processes.mount_of("pos:\t0\nflags:\t0100000\nmnt_id:\t40\nino:\t13\n") == "40"
    assert processes.mount_of("pos:\t0\nflags:\t0100000\n") == ""


def test_swap_files_and_not_partitions() -> None:
    text = """\
Filename				Type		Size		Used		Priority
/dev/zram0                              partition	8388604		0		100
/srv/pg/swap\\040file                    file		1048572		0		-2
"""
    assert blockers.swap_files(text) == ("/srv/pg/swap file",)


def test_what_the_nfs_server_holds() -> None:
    text = """\
# Version 1.1
# Path Client(Flags) # IPs
/srv/nfs	10.0.0.0/24(rw,no_root_squash,sync,wdelay,no_subtree_check,uuid=1b:2c)
/srv/with\\040space	*(ro)
"""
    assert blockers.exports(text) == (("/srv/nfs", "10.0.0.0/24"), ("/srv/with space", "*"))


def test_whose_users_count() -> None:
    assert blockers.devices_at(TABLE, "/srv/pg", "252:0") == {"252:0", "0:52"}
    assert blockers.devices_at(TABLE, "/srv/pg", None) == {"0:52"}  # it is mounted elsewhere, and nobody says it is ours
    assert blockers.devices_at(TABLE, "/srv/pgother", None) == {"252:16"}


def test_users_of_the_root_file_system_never_count() -> None:
    assert blockers.devices_at(TABLE, "/srv/pg/host", "254:0") == frozenset()
    assert blockers.devices_at(TABLE, "/", "254:0") == frozenset()


def test_what_is_mounted_on_it_and_where_else_it_is_mounted() -> None:
    told = [(one.path, one.remedy) for one in blockers.mounted(TABLE, "/srv/pg", PG)]
    assert told == [
        ("/srv/pg/tmp", "umount /srv/pg/tmp"),
        ("/mnt/look here", "umount '/mnt/look here'"),
        ("/srv/pg/host", "umount /srv/pg/host"),
    ]


@pytest.mark.parametrize(
    ("tag", "apart"),
    [("", True), ("shared:30", False), ("master:30", False), ("shared:99 master:30", False), ("master:31", True)],
)
def test_another_namespace_counts_where_it_would_not_follow(tag: str, apart: bool) -> None:
    theirs = mountinfo.places(f"90 80 252:0 / /inside/pg rw {tag}{' ' if tag else ''}- ext4 /dev/nvmesh/vol1 rw\n")
    assert blockers.kept_apart(TABLE, theirs, PG) == (("/inside/pg",) if apart else ())


def test_a_path_of_the_kernel_is_on_the_deepest_mount_around_it() -> None:
    where = {path: blockers.on(TABLE, path) for path in ("/srv/pg/x", "/srv/pgother/x", "/srv/pg/tmp/x", "/srv/pgx", "/x")}
    assert {path: place.id if place else "" for path, place in where.items()} == {
        "/srv/pg/x": "40", "/srv/pgother/x": "44", "/srv/pg/tmp/x": "41", "/srv/pgx": "22", "/x": "22",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("blocker", "told", "remedy"),
    [
        (Blocker(Sort.PROCESS, "/srv/pg/f", "has /srv/pg/f open", 47, "tail -f f", "x.service"),
         "pid 47 (tail -f f) of x.service has /srv/pg/f open", "systemctl stop x.service"),
        (Blocker(Sort.PROCESS, "/srv/pg", "works in /srv/pg", 47, "bash", "session-3.scope"),
         "pid 47 (bash) of session-3.scope works in /srv/pg", "kill 47"),
        (Blocker(Sort.EXPORT, "/srv/nfs", "the kernel exports /srv/nfs to *", command="*", unit="nfs-server.service"),
         "the kernel exports /srv/nfs to *", "exportfs -u '*:/srv/nfs'"),
        (Blocker(Sort.NAMESPACE, "/srv/pg", "has it mounted", 9, "sleep"),
         "pid 9 (sleep) has it mounted", "nsenter --target=9 --mount umount --recursive /srv/pg"),
    ],
)  # fmt: skip
def test_each_is_told_with_what_to_type(blocker: Blocker, told: str, remedy: str) -> None:
    assert (str(blocker), blocker.remedy) == (told, remedy)
