"""File systems as the kernel mounts them, in a mount namespace of our own: what is asked for is what is seen. Needs root."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from lab.commands import run

STEPS = """
import os, subprocess, sys
from nvkeep.errors import ProbeError
from nvkeep.host import LocalHost
from nvkeep.model.mounts import Bind, Mount
from nvkeep.reconcilers.mount import MountAsk, MountKind

KIND, HOST = MountKind(), LocalHost("here")
device, top = sys.argv[1:3]
a, b = f"{top}/a", f"{top}/b"

def sh(*argv):
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout

def whole(fstype, *options, beside=()):
    return MountAsk(Mount(volume="v", path=a, fstype=fstype, options=options), device, beside=beside)

def bound(*options):
    spec = Bind(volume="v", path=b, from_="nfs/state", options=options)
    return MountAsk(spec, device, beside=(a,), outer=a)

def acquired(ask):
    assert KIND.observe(HOST, ask) is None, KIND.observe(HOST, ask)
    for step in KIND.acquire(ask):
        sh(*step.argv)
    have = KIND.observe(HOST, ask)
    assert have == KIND.desired(ask), have
    return have

def released(ask):
    sh("umount", ask.spec.path)
    assert KIND.observe(HOST, ask) is None, KIND.observe(HOST, ask)
"""
OPTIONS = """
for options in ((), ("noatime",), ("ro",), ("noatime", "nodiratime"), ("relatime", "nodev", "nosuid"), ("sync", "lazytime")):
    acquired(whole(FSTYPE, *options))
    released(whole(FSTYPE, *options))
"""
BIND = """
outer = whole(FSTYPE, beside=(b,))
acquired(outer)
os.makedirs(f"{a}/nfs/state")
for options in ((), ("ro", "noatime"), ("nodev",)):
    acquired(bound(*options))
    sh("umount", b)
acquired(bound())
have = KIND.observe(HOST, bound("nosuid"))
for step in KIND.adjust(bound("nosuid"), have):
    sh(*step.argv)
assert KIND.observe(HOST, bound("nosuid")) == KIND.desired(bound("nosuid"))
sh("umount", b)
released(whole(FSTYPE))
"""
COVER = """
acquired(whole(FSTYPE))
sh("mount", "-t", "tmpfs", "t", top)
try:
    KIND.observe(HOST, whole(FSTYPE))
except ProbeError as error:
    assert error.fix == f"umount {top}", error.fix
else:
    raise AssertionError("nothing is said of what hides it")
sh("umount", top)
released(whole(FSTYPE))
"""
SUBVOLUME = """
acquired(whole(FSTYPE))
sh("btrfs", "subvolume", "create", f"{a}/@data")
released(whole(FSTYPE))
for name in ("@data", "/@data"):
    acquired(whole(FSTYPE, f"subvol={name}"))
    released(whole(FSTYPE, f"subvol={name}"))
acquired(whole(FSTYPE, "subvol=@data"))
assert KIND.observe(HOST, whole(FSTYPE, "subvol=other")) != KIND.desired(whole(FSTYPE, "subvol=other"))
sh("btrfs", "subvolume", "set-default", a)
released(whole(FSTYPE, "subvol=@data"))
acquired(whole(FSTYPE))
released(whole(FSTYPE))
"""
SHUT_DOWN = """
acquired(whole(FSTYPE))
sh("xfs_io", "-x", "-c", "shutdown", a)
have = KIND.observe(HOST, whole(FSTYPE))
assert "shut down" in KIND.broken(whole(FSTYPE), have), have
assert KIND.adjust(whole(FSTYPE), have) is None
released(whole(FSTYPE))
"""
ERRORS = """
acquired(whole(FSTYPE, "errors=remount-ro"))
name = os.path.basename(device)
open(f"/sys/fs/ext4/{name}/trigger_fs_error", "w").write("x")
have = KIND.observe(HOST, whole(FSTYPE, "errors=remount-ro"))
said = KIND.broken(whole(FSTYPE), have)
assert "emergency_ro" in said or "read-only" in said or "errors" in said, have
released(whole(FSTYPE))
import time; time.sleep(1.1)  # the superblock counts whole seconds
acquired(whole(FSTYPE, "errors=remount-ro"))  # errors of before are none of this mount's
released(whole(FSTYPE))
"""
CASES = {
    f"{fstype}: {name}": (fstype, text)
    for fstype, texts in {
        "ext4": {"options": OPTIONS, "bind": BIND, "cover": COVER, "errors": ERRORS},
        "xfs": {"options": OPTIONS, "bind": BIND, "shut down": SHUT_DOWN},
        "btrfs": {"options": OPTIONS, "bind": BIND, "subvolume": SUBVOLUME},
    }.items()
    for name, text in texts.items()
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_asked_for_is_what_is_seen(case: str, tmp_path: Path) -> None:
    fstype, text = CASES[case]
    image = tmp_path / "image"
    with image.open("wb") as stream:
        stream.truncate(400 * 1024 * 1024)
    run((f"mkfs.{fstype}", "-q", str(image)))
    device = run(("losetup", "--find", "--show", str(image))).stdout.strip()
    try:
        words = (
            "unshare",
            "--mount",
            "--propagation",
            "private",
            sys.executable,
            "-c",
            STEPS + text.replace("FSTYPE", repr(fstype)),
        )
        done = subprocess.run((*words, device, str(tmp_path)), capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
    finally:
        run(("losetup", "--detach", device))
