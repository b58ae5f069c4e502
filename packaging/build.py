"""Builds what is installed: `build.py install [DESTDIR]`, `build.py deb`, `build.py rpm`; needs pip, and dpkg-deb or rpmbuild.

The same checkout gives the same bytes: every time is that of the last commit (or SOURCE_DATE_EPOCH), every owner root.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from libraries import HERE, ROOT, beside, date, epoch, libraries, run

VERSION = re.findall(r'^__version__ = "(.+)"$', (ROOT / "nvkeep/__init__.py").read_text(), re.MULTILINE)[0]
MAINTAINER = "nvkeep maintainers <maintainers@nvkeep.invalid>"
CHANGES = f"""nvkeep ({VERSION}) stable; urgency=medium

  * /usr/share/doc/nvkeep/CHANGELOG.md

 -- {MAINTAINER}  {{date}}
"""
MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}  # Debian's name, and everybody else's
COPYRIGHT = """nvkeep
======

Copyright 2026 the nvkeep maintainers

Licensed under the Apache License, Version 2.0; see /usr/share/common-licenses/Apache-2.0 on Debian.
"""
PAYLOADS = {"xz": "w6.xzdio", "gzip": "w6.gzdio"}  # what dpkg-deb calls it, and rpm
LIB = "usr/lib/nvkeep/dist"
FILES = {  # beside this file: where it goes, and its mode
    "commands": (f"{LIB}/commands", 0o755),
    "place": (f"{LIB}/place", 0o755),
    "unplace": (f"{LIB}/unplace", 0o755),
    "launcher": ("usr/bin/nvkeep", 0o755),
    "completions/nvkeep": ("usr/share/bash-completion/completions/nvkeep", 0o644),
    "systemd/keepalived-nvkeep.conf": ("usr/lib/systemd/system/keepalived.service.d/nvkeep.conf", 0o644),
    "selinux/nvkeep.cil": ("usr/share/nvkeep/nvkeep.cil", 0o644),
    "tmpfiles.conf": ("usr/lib/tmpfiles.d/nvkeep.conf", 0o644),
    "logrotate": ("etc/logrotate.d/nvkeep", 0o644),
}
DOCUMENTS = {  # in the checkout; what pip has installed is without them
    "docs": "usr/share/doc/nvkeep/docs",
    "examples": "usr/share/doc/nvkeep/examples",
    "README.md": "usr/share/doc/nvkeep/README.md",
    "CHANGELOG.md": "usr/share/doc/nvkeep/CHANGELOG.md",
    "ARCHITECTURE.md": "usr/share/doc/nvkeep/ARCHITECTURE.md",
    "docs/status.schema.json": "usr/share/nvkeep/status.schema.json",
}
ZSH = {"deb": "usr/share/zsh/vendor-completions/_nvkeep", "rpm": "usr/share/zsh/site-functions/_nvkeep"}


# --- the tree ---------------------------------------------------------------------------------------------------------


def tree(dest: Path, kind: str, vendor: Path) -> None:
    """Put everything that a package holds into a directory."""
    shutil.copytree(ROOT / "nvkeep", dest / LIB / "nvkeep", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(vendor, dest / LIB / "vendor", symlinks=True)
    _write(dest / LIB / "name", f"{name(vendor)}\n")
    _write(dest / LIB / "kind", f"{kind}\n")
    for source, (target, mode) in FILES.items():
        _write(dest / target, (HERE / source).read_text(), mode)
    _write(dest / ZSH.get(kind, ZSH["deb"]), (HERE / "completions/_nvkeep").read_text())
    for unit in (HERE / "systemd").glob("nvkeep*"):
        _write(dest / f"usr/lib/systemd/system/{unit.name}", unit.read_text())
    if kind != "pip":
        documents(dest)
    _write(dest / "usr/share/doc/nvkeep/copyright", copyright_of(vendor))
    _zip(dest / "usr/share/man/man8/nvkeep.8.gz", (HERE / "man/nvkeep.8").read_bytes())
    (dest / "etc/nvkeep").mkdir(parents=True)
    _steady(dest)


def documents(dest: Path) -> None:
    """Put the documents there."""
    for source, target in DOCUMENTS.items():
        (dest / target).parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if (ROOT / source).is_dir() else shutil.copy)(ROOT / source, dest / target)


def name(vendor: Path) -> str:
    """Name this code with its libraries by what is in them; the hosts compare it."""
    digest = hashlib.sha256((vendor / "name").read_bytes())
    for path in sorted((ROOT / "nvkeep").rglob("*.py")):
        digest.update(f"{path.relative_to(ROOT)}\0".encode() + path.read_bytes())
    return f"code-{digest.hexdigest()[:16]}"


def _write(path: Path, text: str, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)


def _zip(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(content, 9, mtime=0))


def _steady(dest: Path) -> None:
    """Give everything one time, and modes that do not depend on who builds."""
    for path in (dest, *dest.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
        os.utime(path, (epoch(), epoch()), follow_symlinks=False)


def copyright_of(vendor: Path) -> str:
    """Write the copyright file: Apache-2.0, and the licence of each library, whose own text is beside its code."""
    parts = [COPYRIGHT]
    for meta in sorted(vendor.glob("*.dist-info/METADATA")):
        words = dict(re.findall(r"^(Name|Version|License|License-Expression): (.+)$", meta.read_text(), re.MULTILINE))
        licence = words.get("License-Expression") or words.get("License") or "see its dist-info"
        parts.append(f"{words['Name']} {words['Version']}: {licence}; in /usr/lib/nvkeep/dist/vendor/{meta.parent.name}\n")
    return "\n".join(parts)


def files(dest: Path) -> Iterator[Path]:
    """Give all files of a tree, in order."""
    return (path for path in sorted(dest.rglob("*")) if path.is_symlink() or path.is_file())


# --- packages ---------------------------------------------------------------------------------------------------------


def deb(out: Path, machine: str, compress: str = "xz") -> Path:
    """Build the Debian package; give its path."""
    made = out / f"nvkeep_{VERSION}_{machine}.deb"
    with tempfile.TemporaryDirectory() as work:
        dest = Path(work) / "tree"
        tree(dest, "deb", libraries(MACHINES[machine]))
        _zip(dest / "usr/share/doc/nvkeep/changelog.gz", CHANGES.format(date=date("%a, %d %b %Y %T +0000")).encode())
        _write(dest / "usr/share/lintian/overrides/nvkeep", (HERE / "deb/lintian").read_text())
        size = sum(path.lstat().st_size for path in files(dest)) // 1024
        sums = "".join(
            f"{hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()}  {path.relative_to(dest)}\n"
            for path in files(dest)
        )
        control = (HERE / "deb/control").read_text()
        for word, value in {"VERSION": VERSION, "MACHINE": machine, "SIZE": str(size), "MAINTAINER": MAINTAINER}.items():
            control = control.replace(f"@{word}@", value)
        _write(dest / "DEBIAN/control", control)
        _write(dest / "DEBIAN/md5sums", sums)
        _write(dest / "DEBIAN/conffiles", "/etc/logrotate.d/nvkeep\n")
        for script in ("preinst", "postinst", "prerm", "postrm"):
            _write(dest / f"DEBIAN/{script}", (HERE / f"deb/{script}").read_text(), 0o755)
        _steady(dest)
        out.mkdir(parents=True, exist_ok=True)
        run("dpkg-deb", "--root-owner-group", f"-Z{compress}", "--build", str(dest), str(made))
    return made


def rpm(out: Path, machine: str, compress: str = "xz") -> Path:
    """Build the package for EL; give its path."""
    with tempfile.TemporaryDirectory() as work:
        dest, top = Path(work) / "tree", Path(work) / "top"
        tree(dest, "rpm", libraries(MACHINES[machine]))
        (dest / "var/log/nvkeep").mkdir(parents=True)
        listed = "\n".join(_listed(dest))
        spec = (HERE / "rpm/nvkeep.spec").read_text()
        known = {
            "VERSION": VERSION,
            "TREE": str(dest),
            "FILES": listed,
            "MAINTAINER": MAINTAINER,
            "DATE": date("%a %b %d %Y"),
            "PAYLOAD": PAYLOADS[compress],
        }
        for word, value in known.items():
            spec = spec.replace(f"@{word}@", value)
        _write(Path(work) / "nvkeep.spec", spec)
        target = MACHINES[machine]
        run("rpmbuild", "-bb", f"--define=_topdir {top}", f"--target={target}", str(Path(work) / "nvkeep.spec"))
        (built,) = (top / "RPMS" / target).glob("*.rpm")
        out.mkdir(parents=True, exist_ok=True)
        return Path(shutil.move(built, out / built.name))


def _listed(dest: Path) -> Iterator[str]:
    """List every file as a spec does, and the directories that are ours."""
    yield from (
        "%dir /etc/nvkeep",
        "%dir /usr/share/nvkeep",
        "%dir /usr/share/doc/nvkeep",
        "%dir %attr(750, root, root) /var/log/nvkeep",
    )
    yield from (f'%dir "/{path.relative_to(dest)}"' for path in sorted((dest / "usr/lib/nvkeep").rglob("*")) if path.is_dir())
    for path in files(dest):
        word = "%config(noreplace) " if path.is_relative_to(dest / "etc") else ""
        yield f'{word}"/{path.relative_to(dest)}"'


def install(dest: Path, machine: str) -> None:
    """Put everything on a host without a package manager, each file in one moment, and make it the nvkeep of that host."""
    with tempfile.TemporaryDirectory() as work:
        made = Path(work) / "tree"
        by_pip = HERE.name == "nvkeep_packaging"
        vendor = beside(Path(work) / "vendor") if by_pip else libraries(MACHINES[machine])
        tree(made, "pip" if by_pip else "make", vendor)
        shutil.rmtree(dest / LIB, ignore_errors=True)  # nothing runs from there
        for path in (made, *sorted(made.rglob("*"))):
            _put(path, dest / path.relative_to(made))
    run("chroot", str(dest), f"/{LIB}/place") if dest != Path("/") else run(f"/{LIB}/place")


def _put(path: Path, target: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        target.mkdir(parents=True, exist_ok=True)
        return
    if target.is_file() and target.read_bytes() == path.read_bytes() and target.stat().st_mode == path.stat().st_mode:
        return
    new = target.with_name(f".{target.name}.new")
    shutil.copy2(path, new, follow_symlinks=False)
    new.replace(target)


def main() -> None:
    """Build."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["deb", "rpm", "install"])
    parser.add_argument("dest", nargs="?", type=Path, help="directory of the packages, or root of the host")
    parser.add_argument("--machine", choices=MACHINES, default=_machine())
    parser.add_argument("--compress", choices=PAYLOADS, default="xz", help="default: %(default)s; gzip is faster")
    words = parser.parse_args()
    os.umask(0o022)
    if words.what == "install":
        install(words.dest or Path("/"), words.machine)
    elif words.what == "deb":
        print(deb(words.dest or ROOT / "dist", words.machine, words.compress))
    else:
        print(rpm(words.dest or ROOT / "dist", words.machine, words.compress))


def _machine() -> str:
    return next((ours for ours, theirs in MACHINES.items() if theirs == os.uname().machine), "amd64")


if __name__ == "__main__":
    main()
