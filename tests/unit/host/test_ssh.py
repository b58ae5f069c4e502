"""What nvkeep gives ssh and scp: words that root's ssh_config cannot turn round."""

import pytest

from nvkeep.errors import Unreachable
from nvkeep.host import Completed
from nvkeep.host.ssh import OPTIONS, Peer
from tests.unit.played import Played


@pytest.mark.parametrize("setting", ["BatchMode=yes", "ForwardAgent=no", "ClearAllForwardings=yes", "ControlPath=none"])
def test_no_agent_no_forwarding_and_no_shared_connection_is_lent_to_another_host(setting: str) -> None:
    host = Played()
    peer = Peer(host, "srv-b")  # type: ignore[arg-type]  # as much of a Host as is asked
    for ask in (lambda: peer.run(("true",)), lambda: peer.put("/a", "/b")):
        with pytest.raises(Unreachable):  # there is no ssh here
            ask()
    for argv in host.ran:
        place = argv.index(setting)  # an option given on the command line counts before any of a file (ssh_config(5))
        assert (argv[place - 1], place < argv.index("--")) == ("-o", True)
    assert [argv[0] for argv in host.ran] == ["ssh", "scp"]


def test_the_name_of_a_host_is_no_option_and_its_words_are_quoted() -> None:
    argv = ("ssh", *OPTIONS, "--", "srv-b", "nvkeep stop 'a b'")
    host = Played(said={argv: Completed(argv, 0, "", "")})
    assert Peer(host, "srv-b").run(("nvkeep", "stop", "a b")).code == 0  # type: ignore[arg-type]  # as much of a Host as is asked
