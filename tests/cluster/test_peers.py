"""The other hosts by real ssh and scp, as nvkeep itself calls them. Needs root."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lab import remote
from lab.cluster import Lab

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab.server import Server

NAMES = ("srv-a", "srv-b")
REPOSITORY = """
set -e
cd /
tree=/srv/repository/tree deb=/srv/repository/openssh-client.deb
mkdir -p $tree/DEBIAN
while read -r path; do
    [ -d "$path" ] && [ ! -L "$path" ] || cp -a --parents "$path" $tree
done < /var/lib/dpkg/info/openssh-client.list
dpkg-query --status openssh-client | sed '/^Status:/d; /^Conffiles:/,/^[^ ]/ { /^ /d; /^Conffiles:/d }' > $tree/DEBIAN/control
dpkg-deb --build $tree $deb
{
    dpkg-deb --field $deb
    echo "Filename: ./openssh-client.deb"
    echo "Size: $(stat --format=%s $deb)"
    echo "SHA256: $(sha256sum < $deb | cut -c1-64)"
} > /srv/repository/Packages
rm -f /etc/apt/sources.list.d/*
echo 'deb [trusted=yes] file:/srv/repository ./' > /etc/apt/sources.list
apt-get update
dpkg --purge --force-depends openssh-client
"""  # the package as it is installed, in a repository of the server's own: no server of the lab reaches another
ASK = """
import sys
sys.path[:0] = ["/usr/lib/nvkeep/current", "/usr/lib/nvkeep/current/vendor"]
from nvkeep.errors import Unreachable
from nvkeep.host import LocalHost
from nvkeep.host.ssh import Peer
peer = Peer(LocalHost(), "srv-b")
try:
    {}
except Unreachable as error:
    print("unreachable:", error)
"""


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab(NAMES, prepare=lambda server: remote.enable(server, NAMES)) as made:
        yield made


def ask(server: Server, statement: str) -> str:
    return server.run(("python3", "-I", "-c", ASK.format(statement)), timeout=60).stdout.strip()


def test_a_command_arrives_word_by_word_and_gives_its_exit_code(lab: Lab) -> None:
    script = """printf '%s|' "$@"; exit 7"""
    words = ("sh", "-c", script, "x", "a b", "$HOME", "c'd")
    assert ask(lab["srv-a"], f"done = peer.run({words!r}); print(done.code, done.out)") == "7 a b|$HOME|c'd|"


def test_a_file_arrives(lab: Lab) -> None:
    lab["srv-a"].write("/root/what is sent", "whole\n")
    ask(lab["srv-a"], 'peer.put("/root/what is sent", "/root/arrived")')
    assert lab["srv-b"].read("/root/arrived") == "whole\n"


def test_a_file_that_cannot_be_written_there_is_told(lab: Lab) -> None:
    assert "unreachable: cannot reach srv-b over ssh" in ask(lab["srv-a"], 'peer.put("/etc/hosts", "/no/such/place")')


def test_a_host_without_sshd_is_told_with_the_command_to_try(lab: Lab) -> None:
    lab["srv-b"].run(("systemctl", "stop", "ssh.service"))
    try:
        said = ask(lab["srv-a"], 'peer.run(("true",))')
    finally:
        lab["srv-b"].run(("systemctl", "start", "ssh.service"))
    assert "Connection refused" in said
    assert said.endswith("passwordless login must work: ssh srv-b true")


def test_a_host_without_ssh_is_told_with_the_command_that_installs_it(lab: Lab) -> None:
    server = lab["srv-a"]
    server.run(("sh", "-c", REPOSITORY), timeout=120)
    command = ask(server, 'peer.run(("true",))').rpartition("; ")[2]
    assert command == "apt-get install openssh-client"
    server.run(tuple(command.split()), timeout=120)
    assert ask(server, 'print(peer.run(("hostname",)).out)').strip() == "srv-b"
