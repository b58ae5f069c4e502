"""The base system every server is a layer over, and the template of its volume: built once, cached by recipe."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import time
from pathlib import Path

from lab import tree
from lab.commands import run

CACHE = Path(os.environ.get("NVKEEP_LAB_CACHE", "/var/cache/nvkeep-lab"))
LANE = os.environ.get("NVKEEP_LAB_LANE", "")  # several labs on one machine: each in a lane, and one at a time in each
VOLUME_MB = 512
KEPT = 3 * 86400.0  # seconds a base is kept after the last lab that was begun with it
PACKAGES = (
    "systemd",
    "systemd-sysv",
    "dbus",
    "keepalived",
    "iproute2",
    "iputils-ping",
    "iputils-arping",
    "nftables",
    "procps",
    "kmod",
    "postgresql",
    "e2fsprogs",
    "util-linux",
    "openssh-server",
    "curl",
    "msmtp-mta",
    "python3",
)
# What would start by itself, or would only slow the start down, in a server that does one thing.
MASKED = (
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "console-getty.service",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "e2scrub_reap.service",
    "fstrim.timer",
    "getty.target",
    "run-rpc_pipefs.mount",
    "sys-fs-fuse-connections.mount",  # these three would show the machine's own
    "sys-kernel-debug.mount",
    "sys-kernel-tracing.mount",
    "systemd-firstboot.service",
    "systemd-homed.service",
    "systemd-logind.service",
    "systemd-networkd.service",
    "systemd-networkd.socket",
    "systemd-pstore.service",
    "systemd-resolved.service",
    "systemd-timesyncd.service",
    "systemd-udevd.service",
    "systemd-update-utmp.service",
    "systemd-update-utmp-runlevel.service",
)
NO_GENERATORS = tuple(  # run at each boot and each daemon-reload, and have nothing to do here
    f"systemd-{name}-generator"
    for name in (
        "cryptsetup", "debug", "getty", "gpt-auto", "hibernate-resume", "integritysetup", "rc-local", "run", "system-update",
        "sysv", "veritysetup",
    )
)  # fmt: skip
DISABLED = ("ssh.service", "keepalived.service", "postgresql.service", f"postgresql@{tree.POSTGRESQL}-main.service")
POSTGRESQL = """\
listen_addresses = '*'
fsync = on
synchronous_commit = on
shared_buffers = 32MB
max_connections = 50
# A small write-ahead log replays in no time after a crash.
min_wal_size = 32MB
max_wal_size = 64MB
checkpoint_timeout = 30s
"""
ETC = f"etc/postgresql/{tree.POSTGRESQL}/main"
FILES = tree.QUICK_SSH | {
    "etc/machine-id": "uninitialized\n",
    "etc/resolv.conf": "",
    "etc/fstab": "",
    f"{ETC}/start.conf": "manual\n",
    f"{ETC}/conf.d/lab.conf": POSTGRESQL,
    "etc/systemd/journald.conf.d/lab.conf": "[Journal]\nStorage=persistent\nSystemMaxUse=64M\nRateLimitIntervalSec=0\n",
    "etc/systemd/system.conf.d/lab.conf": "[Manager]\nDefaultTimeoutStopSec=30s\nLogColor=no\n",
}
TRUST = "host all all 10.0.0.0/8 trust\n"
DATA = f"var/lib/postgresql/{tree.POSTGRESQL}/main"
VOLUME_DATA = f"/srv/pg/{tree.POSTGRESQL}/main"


def recipe_key() -> str:
    """Return the name of this recipe: another list of packages or files gives another base."""
    recipe = (
        tree.SUITE,
        PACKAGES,
        MASKED,
        NO_GENERATORS,
        DISABLED,
        sorted(FILES.items()),
        TRUST,
        DATA,
        VOLUME_DATA,
        VOLUME_MB,
        4,
    )
    return hashlib.sha256(repr(recipe).encode()).hexdigest()[:12]


def ensure() -> Path:
    """Return the directory with `root` and `volume.img`, building it when it is not there yet."""
    ready = CACHE / f"base-{recipe_key()}"
    if not ready.is_dir():
        CACHE.mkdir(parents=True, exist_ok=True)
        with (CACHE / "building.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # another lane may be at it
            if not ready.is_dir():
                _build(ready)
    os.utime(ready)
    return ready


def _build(ready: Path) -> None:
    print("* Building the base system (once, about 2 minutes)", flush=True)
    unfinished = ready.with_name(f"building-{os.getpid()}")
    for old in (*CACHE.glob("building-*"), *filter(_forgotten, CACHE.glob("base-*"))):
        shutil.rmtree(old, ignore_errors=True)
    unfinished.mkdir(parents=True, mode=0o755)
    root = unfinished / "root"
    _debootstrap(root)
    _configure(root)
    _volume_template(root, unfinished / "volume.img")
    unfinished.rename(ready)


def _forgotten(base: Path) -> bool:
    """Return whether no lab was begun with a base for days; one of another checkout may be in use now."""
    return base.stat().st_mtime < time.time() - KEPT


def _debootstrap(root: Path) -> None:
    tree.debootstrap(root, PACKAGES)
    for path in ("var/cache/apt/archives", "var/lib/apt/lists"):
        shutil.rmtree(root / path, ignore_errors=True)
        (root / path).mkdir(parents=True)


def _configure(root: Path) -> None:
    print("* Configuring the base system", flush=True)
    tree.configure(root, FILES, MASKED, DISABLED)
    tree.mask(root, "etc/systemd/system-generators", NO_GENERATORS)
    _configure_postgresql(root / ETC)
    tree.make_key(root)


def _configure_postgresql(etc: Path) -> None:
    main = etc / "postgresql.conf"
    lines = main.read_text().splitlines(keepends=True)
    lines = [f"data_directory = '{VOLUME_DATA}'\n" if line.startswith("data_directory") else line for line in lines]
    main.write_text("".join(lines))
    with (etc / "pg_hba.conf").open("a") as hba:
        hba.write(TRUST)


def _volume_template(root: Path, image: Path) -> None:
    print("* Making the volume with an empty database", flush=True)
    files = image.with_name("tree")
    version = files / str(tree.POSTGRESQL)
    version.mkdir(parents=True)
    run(("cp", "-a", str(root / DATA), str(version / "main")))
    shutil.rmtree(root / DATA)
    run(("chown", f"--reference={version / 'main'}", str(version)))
    run(("truncate", "-s", f"{VOLUME_MB}M", str(image)))
    # The block size is given because mke2fs takes 1 KB for anything this small, and the volume has 4 KB sectors.
    run(("mkfs.ext4", "-q", "-b", "4096", "-E", "root_owner=0:0,nodiscard", "-d", str(files), str(image)), timeout=120)
    shutil.rmtree(files)
