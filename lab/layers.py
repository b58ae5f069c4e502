"""What a server has beside the base: a layer over it, made once with apt and kept in the cache. The base stays as it is."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shlex
import shutil
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lab import base
from lab.commands import run

if TYPE_CHECKING:
    from pathlib import Path

INSTALL_TIMEOUT_S = 1200.0
# In a mount namespace of its own: whoever is killed in here leaves no mount behind. Nothing is started: there is no systemd.
MAKE = """\
set -eu
mount -t overlay -o lowerdir="$1",upperdir="$2/upper",workdir="$2/work",volatile none "$2/root"
mount -t proc proc "$2/root/proc"
cp -L /etc/resolv.conf "$2/root/etc/resolv.conf"
printf '#!/bin/sh\\nexit 101\\n' > "$2/root/usr/sbin/policy-rc.d"
chmod 755 "$2/root/usr/sbin/policy-rc.d"
chroot "$2/root" sh -euc "$3"
: > "$2/root/etc/resolv.conf"
cd "$2/root"
rm -rf usr/sbin/policy-rc.d var/cache/apt/*.bin var/cache/apt/archives/*.deb var/lib/apt/lists/* tmp/*
"""
APT = "apt-get -qq update; apt-get -qq install -y --no-install-recommends {} > /dev/null"


@dataclass(frozen=True)
class Layer:
    """Packages of the base's release, and what a shell does in the tree after them."""

    packages: tuple[str, ...] = ()
    then: str = ""

    def ensure(self, root: Path) -> Path:
        """Return the layer over a base, making it when it is not there yet."""
        layer = base.CACHE / f"layer-{self._key(root)}"
        with (base.CACHE / "building.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # another lane may be at it
            if not layer.is_dir():
                self._make(root, layer)
            os.utime(layer)
        return layer

    def _key(self, root: Path) -> str:
        return hashlib.sha256(repr((str(root), MAKE, self._script())).encode()).hexdigest()[:12]

    def _script(self) -> str:
        return f"{APT.format(shlex.join(self.packages))}\n{self.then}" if self.packages else self.then

    def _make(self, root: Path, layer: Path) -> None:
        print(f"* Making a layer for the lab's servers: {' '.join(self.packages) or self.then}", flush=True)
        for old in (*base.CACHE.glob("building-layer-*"), *filter(_forgotten, base.CACHE.glob("layer-*"))):
            shutil.rmtree(old, ignore_errors=True)
        home = base.CACHE / f"building-layer-{os.getpid()}"
        for part in ("upper", "work", "root"):
            (home / part).mkdir(parents=True)
        alone = ("unshare", "--mount", "--pid", "--fork", "--kill-child")
        run((*alone, "sh", "-c", MAKE, "sh", str(root), str(home), self._script()), timeout=INSTALL_TIMEOUT_S)
        (home / "upper").rename(layer)
        shutil.rmtree(home)


def _forgotten(layer: Path) -> bool:
    return layer.stat().st_mtime < time.time() - base.KEPT


def empty_volume() -> Path:
    """Return a volume without a file system, as storage hands it out."""
    image = base.CACHE / "empty.img"
    image.touch()
    os.truncate(image, base.VOLUME_MB << 20)
    return image
