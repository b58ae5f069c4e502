"""The packages on servers: installed, set up, upgraded under a client that writes, removed, purged. Needs root."""

from __future__ import annotations

import os
import re
import shutil
import sys
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lab import databases, places, protected, remote
from lab.cluster import BUILD, Lab
from lab.commands import run, until
from lab.databases import Database
from tests.cluster.bare import FILE
from tests.cluster.conftest import Pair
from tests.cluster.stage import MEASURED, QUIET
from tests.cluster.test_failover import main_pid
from tests.cluster.test_upgrade import AGENT, checkout, told, version
from tests.cluster.test_upgrade_from_before import code

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab.server import Server

NAMES = ("srv-a", "srv-b")
PG = Database(more=("health: {postgresql: 5432}",))
TIMING = "reconcile: 4, step: 20, cooldown: 5"
NEXT = "0.1.1"
ORIGINAL = """\
Package: nvkeep
Version: 1.0-2
Architecture: all
Maintainer: nobody <nobody@nvkeep.invalid>
Description: stands in for the original
"""
ENVIRONMENT = "/opt/pipx/venvs/nvkeep"
PROGRAM = f"""\
#!{ENVIRONMENT}/bin/python
import sys
from nvkeep.cli import main
sys.exit(main())
"""
OLD = """\
#!/bin/sh
# Not new enough for whoever asks; the lab's own tools run by it all the same.
case "$*" in *version_info*) exit 1 ;; esac
exec /usr/bin/{new} "$@"
"""
EPOCH = "SOURCE_DATE_EPOCH=1700000000"
OURS = ("/usr/bin/nvkeep", "/usr/lib/nvkeep", "/usr/lib/systemd/system/nvkeep.service", "/usr/share/man/man8/nvkeep.8.gz")
STATE = ("/etc/nvkeep", "/var/lib/nvkeep", "/var/log/nvkeep", "/run/nvkeep")


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Build this version and the next one, whose agent tells systemd its name."""
    home = tmp_path_factory.mktemp("packages")
    following = version(home, NEXT) / "packaging/build.py"
    this = {kind: built(BUILD, kind, home / "this") for kind in ("deb", "rpm")}
    return this | {"next": built(following, "deb", home / "next")}


def built(build: Path, kind: str, into: Path) -> Path:
    done = run(("env", EPOCH, sys.executable, str(build), kind, str(into), "--compress=gzip"), timeout=300)
    return Path(done.stdout.strip())


def dpkg(server: Server, *words: str) -> str:
    done = server.run(("dpkg", *words), timeout=120)
    return done.stdout + done.stderr


def copied(package: Path, server: Server) -> str:
    shutil.copy(package, server.path(f"/root/{package.name}"))
    return f"/root/{package.name}"


def there(server: Server, paths: tuple[str, ...]) -> list[str]:
    return [path for path in paths if server.path(path).exists()]


@pytest.fixture
def mixed(packages: dict[str, Path]) -> Iterator[Pair]:
    """Give a pair of which one server has the .deb and the other what is in the .rpm, installed by rpm itself.

    The python3 of that one is too old, as on EL 8 and 9.
    """

    def prepare(server: Server) -> None:
        if server.name == NAMES[1]:
            new = server.path("/usr/bin/python3").readlink()
            server.write("/usr/bin/python3", OLD.format(new=new), 0o755)
            run(("rpm", "--root", str(server.root), "--install", "--nodeps", str(packages["rpm"])), timeout=120)
        else:
            shutil.copy(packages["deb"], server.root / "root/nvkeep.deb")
            run(("chroot", str(server.root), "dpkg", "--install", "/root/nvkeep.deb"), timeout=120)
        databases.enable(server)
        remote.enable(server, NAMES)

    with Lab(NAMES, config=databases.config((PG,), NAMES, timing=TIMING), install=False, prepare=prepare) as lab:
        yield Pair(lab)


def test_a_server_with_the_rpm_and_one_with_the_deb_take_over_from_each_other(mixed: Pair) -> None:
    assert str(mixed.lab[NAMES[1]].path("/usr/lib/nvkeep/python").readlink()).startswith("/usr/bin/python3.")
    assert len({code(server) for server in mixed.lab}) == 1  # the same code and libraries, whoever has packed them
    for active, other in ((mixed.active, mixed.other), (mixed.other, mixed.active)):
        active.power_cut()
        mixed.wait_serving(other)
        mixed.more_rows()
        active.power_on()
        mixed.wait_ready(active)
    result = mixed.finish(mixed.active, clean=mixed.other)
    MEASURED.append(f"a .deb and an .rpm: two power cuts took {result.longest_gap_seconds:.2f} s at most")


@pytest.fixture
def pipped(tmp_path: Path) -> Iterator[Lab]:
    """Give two servers on which nvkeep was installed as pipx does it: an environment of its own, and a link to its program."""
    run((sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(tmp_path), str(places.REPOSITORY)), timeout=300)
    (wheel,) = tmp_path.glob("*.whl")

    def prepare(server: Server) -> None:
        run(("chroot", str(server.root), "python3", "-m", "venv", "--without-pip", ENVIRONMENT))
        (target,) = server.path(f"{ENVIRONMENT}/lib").glob("python3.*")
        install = ("install", "-q", "--only-binary=:all:", f"--python-version={target.name.removeprefix('python')}")
        run((sys.executable, "-m", "pip", *install, f"--target={target}/site-packages", str(wheel)), timeout=300)
        server.write(f"{ENVIRONMENT}/bin/nvkeep", PROGRAM, 0o755)
        server.path("/usr/local/bin/nvkeep").symlink_to(f"{ENVIRONMENT}/bin/nvkeep")
        remote.enable(server, NAMES)

    with Lab(NAMES, install=False, prepare=prepare) as made:
        yield made


def test_what_pip_has_installed_is_put_in_place_and_set_up(pipped: Lab) -> None:
    a, b = pipped[NAMES[0]], pipped[NAMES[1]]
    a.write(FILE, protected.config())
    lacking = a.run(("nvkeep", "setup", "--yes"), timeout=120, check=False)
    assert "srv-a: nvkeep's program and units are in place" in lacking.stdout
    assert re.search(r"srv-b +unit nvkeep.service: systemd does not know it; .* nvkeep setup --files", lacking.stdout)
    b.run(("nvkeep", "setup", "--files"), timeout=120)
    assert there(b, OURS) == [*OURS]
    a.run(("nvkeep", "setup", "--yes"), timeout=120)
    pair = Pair(pipped)
    pair.active.power_cut()
    pair.wait_serving(pair.other)
    pair.active.power_on()
    pair.wait_ready(pair.active)
    result = pair.finish(pair.other, clean=pair.active)
    MEASURED.append(f"installed by pip: a power cut took {result.longest_gap_seconds:.2f} s")


@pytest.mark.parametrize("kind", ["deb", "rpm"])
def test_the_same_commit_gives_the_same_bytes(kind: str, packages: dict[str, Path], tmp_path: Path) -> None:
    """Built again elsewhere, by somebody with another umask, from another copy."""
    old = os.umask(0o077)
    try:
        again = built(checkout(tmp_path / "copy") / "packaging/build.py", kind, tmp_path / "made")
    finally:
        os.umask(old)
    assert again.name == packages[kind].name
    assert sha256(again.read_bytes()).hexdigest() == sha256(packages[kind].read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """Give two servers with PostgreSQL, keepalived and sshd, and no nvkeep."""

    def prepare(server: Server) -> None:
        remote.enable(server, NAMES)

    with Lab(NAMES, install=False, prepare=prepare) as made:
        yield made


def test_it_does_not_replace_the_originals_package(lab: Lab, packages: dict[str, Path], tmp_path: Path) -> None:
    """It has the same name, and dpkg would remove its commands while it may serve."""
    tree, server = tmp_path / "original", lab[NAMES[0]]
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "usr/sbin").mkdir(parents=True)
    (tree / "DEBIAN/control").write_text(ORIGINAL)
    (tree / "usr/sbin/nvkeep_clean_shutdown").write_text("#!/bin/bash\n")
    run(("dpkg-deb", "--root-owner-group", "--build", str(tree), str(tmp_path / "original.deb")))
    dpkg(server, "--install", copied(tmp_path / "original.deb", server))
    done = server.run(("dpkg", "--install", copied(packages["deb"], server)), check=False, timeout=120)
    assert "the original nvkeep is installed. Nothing was changed." in done.stderr
    assert server.read("/usr/sbin/nvkeep_clean_shutdown") == "#!/bin/bash\n"
    assert there(server, OURS) == []
    dpkg(server, "--remove", "nvkeep")


def test_installed_it_starts_nothing_and_set_up_it_serves(lab: Lab, packages: dict[str, Path]) -> None:
    for server in lab:
        dpkg(server, "--install", copied(packages["deb"], server))
        assert there(server, OURS) == [*OURS]
        assert server.run(("systemctl", "is-enabled", "nvkeep.service"), check=False).stdout == "disabled\n"
        assert server.run(("systemctl", "is-active", "nvkeep.service", "keepalived.service"), check=False).stdout.split() == (
            ["inactive", "inactive"]
        )
        assert server.run(("dpkg", "--verify", "nvkeep")).stdout == ""
    a = lab["srv-a"]
    a.write(FILE, protected.config())
    a.run(("nvkeep", "setup", "--yes"), timeout=120)
    pair = Pair(lab)
    pair.active.power_cut()
    pair.wait_serving(pair.other)
    pair.more_rows()
    pair.active.power_on()
    pair.wait_ready(pair.active)
    result = pair.finish(pair.other, clean=pair.active)
    MEASURED.append(f"installed from the .deb: a power cut took {result.longest_gap_seconds:.2f} s")


def test_an_upgrade_while_it_serves_is_no_gap(lab: Lab, packages: dict[str, Path]) -> None:
    pair = Pair(lab)
    for server in (pair.other, pair.active):
        pid = main_pid(server, AGENT)
        dpkg(server, "--install", copied(packages["next"], server))
        until(lambda server=server: told(server) == f"version {NEXT}", within=20, what="the agent is not the new code")  # type: ignore[misc]
        assert main_pid(server, AGENT) == pid
        assert server.run(("nvkeep", "--version")).stdout == f"nvkeep {NEXT}\n"
        pair.more_rows()
    pair.wait_ready(pair.other)
    result = pair.finish(pair.active, clean=pair.other)
    assert pair.taken() == []
    assert result.longest_gap_seconds < QUIET
    MEASURED.append(f"upgraded from the .deb on both servers: longest gap {result.longest_gap_seconds:.2f} s")


def test_removed_it_leaves_the_service_running_and_says_so_and_purged_it_leaves_nothing(lab: Lab) -> None:
    pair = Pair(lab)
    said = dpkg(pair.active, "--remove", "nvkeep")
    assert "pg goes on running on this host; nothing watches it from now on" in said
    pair.more_rows()
    assert protected.serves(pair.active)
    assert there(pair.active, OURS) == []
    assert there(pair.active, STATE) == [*STATE]
    dpkg(pair.active, "--purge", "nvkeep")
    assert there(pair.active, STATE) == []
    pair.more_rows()
    assert pair.writer.stop().longest_gap_seconds < QUIET
    assert pair.writer.lost() == 0
