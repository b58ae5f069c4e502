"""A pass reads its own records once while it keeps the others away, and anew whatever it has written itself."""

import pytest

from nvkeep.state.once import Once
from tests.unit.played import Played

PATH = "/run/nvkeep/claim/pg"


class Counting(Played):
    """Counts what is read; a `broken` disk reads nothing and takes nothing."""

    def __init__(self) -> None:
        super().__init__(files={PATH: "first"})
        self.reads = 0
        self.broken = False

    def read(self, path: str, most: int = 0) -> str:
        self.reads += 1
        if self.broken:
            raise OSError(5, "Input/output error", path)
        return super().read(path, most)

    def write(self, path: str, text: str, *, durable: bool = False) -> None:
        if self.broken:
            raise OSError(28, "No space left on device", path)
        super().write(path, text, durable=durable)

    def remove(self, path: str) -> None:
        del self.files[path]


@pytest.fixture
def host() -> Counting:
    return Counting()


@pytest.fixture
def once(host: Counting) -> Once:
    return Once(host)  # type: ignore[arg-type]  # as much of a Host as is asked


def test_without_the_lock_every_look_is_a_new_one(host: Counting, once: Once) -> None:
    assert once.read(PATH) == "first"
    host.files[PATH] = "of another process"
    assert once.read(PATH) == "of another process"


def test_with_the_lock_a_file_is_read_once_and_anew_with_the_next_lock(host: Counting, once: Once) -> None:
    with once.alone():
        assert [once.read(PATH), once.read(PATH), host.reads] == ["first", "first", 1]
    host.files[PATH] = "of another process"
    with once.alone():
        assert once.read(PATH) == "of another process"


def test_what_was_written_or_could_not_be_is_read_anew(host: Counting, once: Once) -> None:
    with once.alone():
        once.read(PATH)
        once.write(PATH, "second")
        assert once.read(PATH) == "second"
        host.broken = True
        with pytest.raises(OSError, match="No space left"):
            once.write(PATH, "third")
        with pytest.raises(OSError, match="Input/output error"):
            once.read(PATH)


def test_a_failure_is_the_same_for_the_whole_pass(host: Counting, once: Once) -> None:
    host.broken = True
    with once.alone():
        for _ in range(2):
            with pytest.raises(OSError, match="Input/output error"):
                once.read(PATH)
        assert host.reads == 1


def test_what_was_removed_is_gone(once: Once) -> None:
    with once.alone():
        once.read(PATH)
        once.remove(PATH)
        with pytest.raises(FileNotFoundError):
            once.read(PATH)
