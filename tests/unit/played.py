"""A host that is a dictionary of files and of commands' answers: for probes, which only look."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from nvkeep.host import Completed


@dataclass
class Played:
    """As much of a Host as a probe asks. A directory is there when a file is below it, or when it is named in `empty`."""

    name: str = "srv-a"
    files: dict[str, str] = field(default_factory=dict)
    empty: set[str] = field(default_factory=set)
    links: dict[str, str] = field(default_factory=dict)
    devices: dict[str, str] = field(default_factory=dict)
    said: dict[tuple[str, ...], Completed] = field(default_factory=dict)
    ran: list[tuple[str, ...]] = field(default_factory=list)
    shut_down: set[str] = field(default_factory=set)
    ro: str = ""
    clock: float = 100.0

    def run(self, argv: Sequence[str], timeout: float = 10.0) -> Completed:  # noqa: ARG002 - as of a Host
        self.ran.append(tuple(argv))
        return self.said.get(tuple(argv), Completed(tuple(argv), 127, "", f"{argv[0]}: No such file or directory"))

    def read(self, path: str, most: int = 0) -> str:  # noqa: ARG002 - files are small here
        if path not in self.files:
            raise FileNotFoundError(2, "No such file or directory", path)
        return self.files[path]

    def write(self, path: str, text: str, *, durable: bool = False) -> None:  # noqa: ARG002 - as of a Host
        self.files[path] = text

    def names(self, directory: str) -> list[str]:
        if any(above in self.files for above in (directory, directory.rpartition("/")[0])):
            raise NotADirectoryError(20, "Not a directory", directory)
        return sorted({one[len(directory) + 1 :].split("/")[0] for one in self.files if one.startswith(f"{directory}/")})

    def exists(self, path: str) -> bool:
        return path in self.files or path in self.empty or any(one.startswith(f"{path}/") for one in self.files)

    def link_target(self, path: str) -> str | None:
        return self.links.get(path)

    def device_number(self, path: str) -> str | None:
        return self.devices.get(path)

    def device_of(self, path: str) -> str:
        if path in self.shut_down:
            raise OSError(5, "Input/output error", path)
        return "0:0"

    def unwritable(self, _directory: str) -> str:
        return self.ro

    def now(self) -> float:
        return self.clock

    def boot_id(self) -> str:
        return "boot"
