"""Mount options: those that cancel each other, and those of a bind mount. Pure.

Source: mount(8), "FILESYSTEM-INDEPENDENT MOUNT OPTIONS"; of such a group it takes the last.
"""

from collections.abc import Sequence

GROUPS = (
    ("ro", "rw"), ("atime", "noatime", "relatime", "norelatime", "strictatime", "nostrictatime"), ("dev", "nodev"),
    ("exec", "noexec"), ("suid", "nosuid"), ("sync", "async"), ("diratime", "nodiratime"), ("lazytime", "nolazytime"),
    ("symfollow", "nosymfollow"),
)  # fmt: skip
OF_ONE_MOUNT = frozenset(
    {"ro", "noatime", "nodiratime", "relatime", "strictatime", "nodev", "nosuid", "noexec", "nosymfollow"}
)  # the rest belongs to the file system, wherever it is mounted


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
