"""The kernel of the machines: Debian's cloud kernel, from the backports of the release after the machines' own.

Downloaded with an apt state of its own, so that this machine's package lists and pins neither help nor suffer.
"""

from __future__ import annotations

from pathlib import Path

from lab.commands import LabError, run
from lab.tree import SUITE

RELEASE = "trixie-backports"
# Reservations in nvmet came with 6.13. One series is asked for: what was measured is what runs.
PATTERN = r"^linux-image-6\.18\..*\+deb13-cloud-amd64$"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


def unpack(root: Path, scratch: Path) -> Path:
    """Put the kernel's modules into the root tree; return the path of the kernel itself."""
    apt = Apt(scratch)
    run((*apt("apt-get"), "-qq", "update"), timeout=300)
    package = _newest(run((*apt("apt-cache"), "search", "--names-only", PATTERN)).stdout)
    run(("env", f"--chdir={scratch}", *apt("apt-get"), "-qq", "download", package), timeout=600)
    (fetched,) = scratch.glob("linux-image-*.deb")
    tree = scratch / "tree"
    run(("dpkg-deb", "--extract", str(fetched), str(tree)), timeout=120)
    (modules,) = tree.glob("usr/lib/modules/*")
    (root / "usr/lib/modules").mkdir(exist_ok=True)
    run(("cp", "-a", str(modules), str(root / "usr/lib/modules")), timeout=120)
    run(("chroot", str(root), "depmod", modules.name), timeout=120)
    (kernel,) = tree.glob("boot/vmlinuz-*")
    return kernel


class Apt:
    """The words that start an apt command which knows one release only."""

    def __init__(self, scratch: Path) -> None:
        for path in ("lists/partial", "cache/archives/partial"):
            (scratch / path).mkdir(parents=True)
        self.sources = scratch / "only.sources"
        self.sources.write_text(
            f"Types: deb\nURIs: {archive()}\nSuites: {RELEASE}\nComponents: main\nArchitectures: amd64\nSigned-By: {KEYRING}\n"
        )
        self.scratch = scratch

    def __call__(self, command: str) -> tuple[str, ...]:
        """Return the words that start a command of apt."""
        settings = {
            "Dir::State::lists": self.scratch / "lists",
            "Dir::State::status": "/dev/null",
            "Dir::Cache": self.scratch / "cache",
            "Dir::Etc::sourcelist": self.sources,
            "Dir::Etc::sourceparts": "-",
            "APT::Sandbox::User": "root",
        }
        return (command, *(f"-o{key}={value}" for key, value in settings.items()))


def archive() -> str:
    """Return the Debian archive this machine itself uses."""
    wanted = ("apt-get", "indextargets", "--format", "$(CODENAME) $(REPO_URI)", "Created-By: Packages")
    for line in run(wanted).stdout.splitlines():
        codename, _, uri = line.partition(" ")
        if codename == SUITE:
            return uri
    raise LabError(f"apt of this machine knows no archive of {SUITE}: the machines' kernel cannot be had")


def _newest(found: str) -> str:
    names = [line.split()[0] for line in found.splitlines()]
    if not names:
        raise LabError(f"{RELEASE} has no package like {PATTERN}")
    return max(names, key=lambda name: [int(part) for part in name.split("-")[2].partition("+")[0].split(".")])
