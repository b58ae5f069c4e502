"""What cluster.yaml may say of mounts: a file system, or a directory of one, where it belongs, and its options. Pure.

Source: mount(8), "FILESYSTEM-INDEPENDENT MOUNT OPTIONS"; of options that cancel each other it takes the last.
"""

import re
from collections.abc import Sequence
from typing import Annotated

from nvkeep.model.frozen import Checked, Frozen, Limits, OneOf
from nvkeep.model.names import FsType, Inside, MountPoint, named, shown, wrong

KIND_OF_MOUNT = ("move", "remount", "loop", "helper", "X-mount.subdir")
LABELS = ("context", "fscontext", "defcontext", "rootcontext")  # of SELinux: the categories in them may be separated by commas
OPTION = r"[A-Za-z0-9_.:=/+@,-]{1,128}"
ONE_AN_ITEM = "write one option an item: options: [noatime, nodev]"
BIND = dict.fromkeys(("bind", "rbind"), "write `from: DIRECTORY`, a directory of the volume, instead of fstype")
GROUPS = (
    ("ro", "rw"), ("atime", "noatime", "relatime", "norelatime", "strictatime", "nostrictatime"), ("dev", "nodev"),
    ("exec", "noexec"), ("suid", "nosuid"), ("sync", "async"), ("diratime", "nodiratime"), ("lazytime", "nolazytime"),
    ("symfollow", "nosymfollow"),
)  # fmt: skip
OF_ONE_MOUNT = frozenset(
    {"ro", "noatime", "nodiratime", "relatime", "strictatime", "nodev", "nosuid", "noexec", "nosymfollow"}
)  # the rest belongs to the file system, wherever it is mounted


def _option(value: str) -> str:
    name = value.partition("=")[0]
    if bind := BIND.get(name):
        raise wrong(f"{shown(value)} changes what is mounted, not how", bind)
    if name in KIND_OF_MOUNT or name.startswith("make-"):
        raise wrong(f"{shown(value)} changes what is mounted, not how", "leave it out")
    if "," in value and name not in LABELS:
        raise wrong(f"{shown(value)} is not one mount option", ONE_AN_ITEM)
    return value


def _option_instead(value: str) -> str:
    bare = value.replace('"', "")
    return f"leave out the quotes: {bare}" if bare != value and re.fullmatch(OPTION, bare) else ONE_AN_ITEM


MountOption = Annotated[
    str,
    named("one mount option", OPTION, _option_instead),
    Checked(_option),
]


def cancelled(options: Sequence[str]) -> list[tuple[int, str, str]]:
    """Give the place of every option that a later one cancels, the option, and the one that counts."""
    pairs = []
    for index, option in enumerate(options):
        group = next((words for words in GROUPS if option in words), ())
        rivals = [other for other in options[index + 1 :] if other in group and other != option]
        pairs += [(index, option, rivals[-1])] if rivals else []
    return pairs


def typed(option: str) -> str:
    """Write an option as mount(8) reads it: a value with a comma in it is quoted."""
    name, equals, value = option.partition("=")
    return f'{name}{equals}"{value}"' if "," in value else option


def _each_counts(options: tuple[str, ...]) -> tuple[str, ...]:
    for _, option, counts in cancelled(options):
        raise wrong(f"{option} and {counts} cancel each other, and mount(8) takes the last", f"leave out {option}")
    return options


Options = Annotated[tuple[MountOption, ...], Limits(strict=False), Checked(_each_counts)]


class Placed(Frozen):
    """What is mounted somewhere, and how."""

    volume: str
    path: MountPoint
    options: Options = ()


class Mount(Placed):
    """A file system of a volume, and where it belongs."""

    fstype: FsType


def _of_one_mount(options: tuple[str, ...]) -> tuple[str, ...]:
    for option in options:
        if option not in OF_ONE_MOUNT:
            raise wrong(f"{shown(option)} belongs to the file system", "write it where its volume is mounted")
    return options


class Bind(Placed):
    """A directory of a volume that is mounted, and where it belongs as well: NFS state, for one."""

    from_: Inside
    options: Annotated[Options, Checked(_of_one_mount)] = ()

    @property
    def fstype(self) -> str:
        """None: mount(8) does not look for one."""
        return "none"


def _mount(value: object) -> str:
    return "from" if isinstance(value, dict) and "from" in value else "fstype"


AnyMount = Annotated[Mount | Bind, OneOf(_mount, {"fstype": Mount, "from": Bind})]
