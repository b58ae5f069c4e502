"""The disk and the kernel every machine starts from: built once, cached by recipe."""

from __future__ import annotations

import hashlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from lab import tree
from lab.commands import run
from lab.vm import kernel, places

SIZE_MB = 1536
PACKAGES = (
    "systemd",
    "systemd-sysv",
    "udev",
    "dbus",
    "kmod",
    "procps",
    "util-linux",
    "iproute2",
    "iputils-ping",
    "iputils-arping",
    "python3",
    "keepalived",
    "openssh-server",
    "systemd-timesyncd",
    "e2fsprogs",
    "xfsprogs",
    "nvme-cli",
    "sg3-utils",
    "multipath-tools",
    "open-iscsi",
    "drbd-utils",
    "netbase",
    "nfs-kernel-server",
    "selinux-policy-default",
    "policycoreutils",
)
# What would start by itself, or would only slow the start down, in a machine that does one thing.
MASKED = (
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "dev-hugepages.mount",
    "dev-mqueue.mount",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "e2scrub_reap.service",
    "fstrim.timer",
    "getty.target",
    "keyboard-setup.service",
    "multipathd.service",
    "multipathd.socket",
    "nvmefc-boot-connections.service",
    "nvmf-autoconnect.service",
    "open-iscsi.service",
    "proc-sys-fs-binfmt_misc.automount",
    "serial-getty@ttyS0.service",
    "sys-fs-fuse-connections.mount",
    "sys-kernel-debug.mount",
    "sys-kernel-tracing.mount",
    "systemd-binfmt.service",
    "systemd-firstboot.service",
    "systemd-logind.service",
    "systemd-pstore.service",
    "systemd-random-seed.service",
    "systemd-timesyncd.service",
    "systemd-update-utmp.service",
    "systemd-update-utmp-runlevel.service",
    "uuidd.socket",
)
DISABLED = (
    "keepalived.service",
    "ssh.service",
    "nfs-blkmap.service",
    "nfs-client.target",
    "nfs-server.service",
    "rpcbind.service",
    "rpcbind.socket",
)
AGENT = Path(__file__).with_name("agent.py")
UNIT = """\
[Unit]
Description=Runs commands for the lab

[Service]
ExecStart=/usr/bin/python3 -I -S /usr/lib/nvkeep-lab/agent.py
Environment=LC_ALL=C
Restart=always
TasksMax=infinity

[Install]
WantedBy=multi-user.target
"""
UNUSED = (
    "i2c_i801",
    "i2c_smbus",
    "iTCO_wdt",
    "lpc_ich",
    "powernow_k8",
    "ahci",
    "psmouse",
    "serio_raw",
    "pcspkr",
    "evdev",
    "button",
    "kvm_amd",
    "kvm_intel",
    "ghash_clmulni_intel",
)
FILES = tree.QUICK_SSH | {
    "etc/fstab": "",
    "etc/hostname": "machine\n",
    "etc/hosts": "127.0.0.1 localhost\n10.87.0.1 srv-a\n10.87.0.2 srv-b\n10.87.0.3 target\n10.87.0.4 client\n",
    "etc/machine-id": "",
    "etc/resolv.conf": "",
    "etc/drbd.d/global_common.conf": "global { usage-count no; }\n",
    # Found by udev in every PC, needed by none of these.
    "etc/modprobe.d/lab.conf": "".join(f"blacklist {name}\n" for name in UNUSED),
    "etc/selinux/config": "SELINUX=enforcing\nSELINUXTYPE=default\n",  # only where the kernel's command line lets it
    "etc/systemd/journald.conf.d/lab.conf": "[Journal]\nStorage=persistent\nSystemMaxUse=64M\nRateLimitIntervalSec=0\n",
    "etc/systemd/system.conf.d/lab.conf": "[Manager]\nDefaultTimeoutStopSec=15s\nLogColor=no\n",
    "etc/systemd/system/lab-agent.service": UNIT,
}
REMOVED = ("usr/share/doc", "usr/share/man", "usr/share/locale", "var/cache/apt", "var/lib/apt/lists", "usr/share/info")


@dataclass(frozen=True, slots=True)
class Image:
    """What a machine starts from; `root` is the same tree as on the disk."""

    kernel: Path
    disk: Path
    root: Path


def recipe_key() -> str:
    """Return the name of this recipe: another list of packages or files gives another image."""
    agent = AGENT.read_text()
    recipe = (
        tree.SUITE,
        PACKAGES,
        MASKED,
        DISABLED,
        sorted(FILES.items()),
        REMOVED,
        agent,
        kernel.RELEASE,
        kernel.PATTERN,
        SIZE_MB,
        1,
    )
    return hashlib.sha256(repr(recipe).encode()).hexdigest()[:12]


def ensure() -> Image:
    """Return the image, building it when it is not there yet."""
    ready = places.IMAGES / f"machine-{recipe_key()}"
    if not ready.is_dir():
        _build(ready)
    return Image(ready / "vmlinuz", ready / "disk.img", ready / "root")


def _build(ready: Path) -> None:
    print("* Building the image of the emulated machines (once, about 2 minutes)", flush=True)
    for old in places.IMAGES.glob("machine-*"):  # the recipe has changed; there is one farm at a time
        shutil.rmtree(old, ignore_errors=True)
    unfinished = ready.with_name(f"machine-unfinished-{os.getpid()}")
    root, scratch = unfinished / "root", unfinished / "scratch"
    scratch.mkdir(parents=True)
    _debootstrap(root)
    found = kernel.unpack(root, scratch)
    shutil.copyfile(found, unfinished / "vmlinuz")
    shutil.rmtree(scratch)
    _configure(root)
    make_disk(unfinished / "disk.img", SIZE_MB, root)
    unfinished.rename(ready)


def _debootstrap(root: Path) -> None:
    tree.debootstrap(root, PACKAGES)
    for path in REMOVED:
        shutil.rmtree(root / path, ignore_errors=True)


def _configure(root: Path) -> None:
    tree.configure(root, FILES, MASKED, DISABLED)
    agent = root / "usr/lib/nvkeep-lab/agent.py"
    agent.parent.mkdir()
    agent.write_text(AGENT.read_text())
    tree.systemctl(root, "enable", "lab-agent.service")
    tree.make_key(root)


def make_disk(path: Path, size_mb: int, content: Path) -> None:
    """Make an image with a file system that holds a copy of a tree."""
    run(("truncate", "-s", f"{size_mb}M", str(path)))
    run(("mkfs.ext4", "-q", "-E", "root_owner=0:0,nodiscard", "-d", str(content), str(path)), timeout=300)
