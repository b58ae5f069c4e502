"""The Debian tree that servers and machines start from: what making one ready has in common for both."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from lab.commands import run

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

SUITE = os.environ.get("NVKEEP_LAB_SUITE", "bookworm")  # Debian 12, or trixie: Debian 13
POSTGRESQL = {"bookworm": 15, "trixie": 17}[SUITE]
# The default of this release takes ten times as long to compute, and nobody listens here.
QUICK_SSH = {"etc/ssh/ssh_config.d/lab.conf": "KexAlgorithms curve25519-sha256\n"}


def debootstrap(root: Path, packages: Iterable[str]) -> None:
    """Make a tree with a few packages and what they need."""
    include = f"--include={','.join(packages)}"
    run(("debootstrap", "--variant=minbase", include, SUITE, str(root)), timeout=1800)


def configure(root: Path, files: Mapping[str, str], masked: Iterable[str], disabled: Iterable[str]) -> None:
    """Put files into a tree, and let it start, with a log that lasts, without the units that are masked or disabled."""
    for name, text in files.items():
        _write(root / name, text)
    (root / "var/log/journal").mkdir(exist_ok=True)
    mask(root, "etc/systemd/system", masked)
    systemctl(root, "disable", *disabled)
    systemctl(root, "set-default", "multi-user.target")


def mask(root: Path, directory: str, names: Iterable[str]) -> None:
    """Keep systemd from using files of these names."""
    (root / directory).mkdir(exist_ok=True)
    for name in names:
        (root / directory / name).unlink(missing_ok=True)
        (root / directory / name).symlink_to("/dev/null")


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)  # it may be a link out of the tree
    path.write_text(text)


def systemctl(root: Path, *words: str) -> None:
    """Change which units a tree starts with."""
    run(("systemctl", "--quiet", f"--root={root}", *words))


def make_key(root: Path) -> None:
    """Give the root of a tree a key that it lets in."""
    home = root / "root/.ssh"
    home.mkdir(mode=0o700, exist_ok=True)
    run(("chroot", str(root), "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "/root/.ssh/id_ed25519"))
    (home / "authorized_keys").write_bytes((home / "id_ed25519.pub").read_bytes())
