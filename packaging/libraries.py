"""The Python libraries that are installed with nvkeep, for every version of Python at once; and what all builds share."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from importlib import metadata
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
LOCK = HERE / "requirements.txt"
CACHE = Path(os.environ.get("NVKEEP_LAB_CACHE", "/var/cache/nvkeep-lab"))
MINORS = ("3.11", "3.12", "3.13", "3.14")  # of Python; only what is compiled differs, and each has a name of its own
GLIBC = "2_17"  # that the compiled libraries need


def epoch() -> int:
    """Give the time that everything bears, in seconds since 1970: of the last commit where this is a checkout, else now."""
    given = os.environ.get("SOURCE_DATE_EPOCH")
    asked = ("git", "-C", str(ROOT), "log", "-1", "--format=%ct")
    if not given and (ROOT / ".git").exists():
        given = subprocess.run(asked, capture_output=True, text=True, check=False).stdout
    return int(given or time.time())


def date(form: str) -> str:
    """Write that time as a changelog has it."""
    return time.strftime(form, time.gmtime(epoch()))


def run(*argv: str, **environment: str) -> None:
    """Run a program; its output is shown where it fails."""
    known = os.environ | {"SOURCE_DATE_EPOCH": str(epoch()), "LC_ALL": "C"} | environment
    done = subprocess.run(argv, capture_output=True, text=True, env=known, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(argv)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")


def libraries(machine: str) -> Path:
    """Give the directory of all libraries, by their hashes, for every minor version of Python; it is kept."""
    key = hashlib.sha256(f"{LOCK.read_text()}{MINORS}{machine} no scripts".encode()).hexdigest()[:16]
    kept = CACHE / f"vendor-{key}"
    if not kept.is_dir():
        CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as made:
            new = Path(made) / "vendor"
            for minor in MINORS:
                _install(new, Path(made) / minor, minor, machine)
            (new / "name").write_text(f"{key}\n")
            if not kept.is_dir():  # another build may have been faster
                new.rename(kept)
    return kept


def beside(into: Path) -> Path:
    """Copy the libraries that pip has put beside this file, which are for this Python alone, and name them."""
    versions = []
    for name in re.findall(r"^([a-z0-9-]+)==", LOCK.read_text(), re.MULTILINE):
        library = metadata.distribution(name)
        versions.append(f"{name}=={library.version}")
        for file in library.files or ():
            if ".." not in file.parts and file.suffix != ".pyc":  # no script, and what is compiled anew
                (into / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(str(file.locate()), into / file)
    (into / "name").write_text(hashlib.sha256(f"{versions}{sys.version_info[:2]}".encode()).hexdigest()[:16] + "\n")
    return into


def _install(all_of_them: Path, into: Path, minor: str, machine: str) -> None:
    """Install the libraries for one minor version; of the second and later ones take what is compiled."""
    run(
        sys.executable, "-m", "pip", "install", "-qq", "--disable-pip-version-check", "--root-user-action=ignore", "--no-deps",
        "--only-binary=:all:", "--no-compile", "--require-hashes", "--implementation", "cp", "--python-version", minor,
        "--platform", f"manylinux_{GLIBC}_{machine}", "--platform", f"manylinux2014_{machine}", "--target", str(into),
        "-r", str(LOCK),
    )  # fmt: skip
    if not all_of_them.exists():
        shutil.rmtree(into / "bin", ignore_errors=True)
        _without_scripts(into)
        into.rename(all_of_them)
        return
    for compiled in into.rglob("*.so"):
        target = all_of_them / compiled.relative_to(into)
        if not target.exists():
            shutil.copy(compiled, target)


def _without_scripts(vendor: Path) -> None:
    """Let no module begin as a script does: nobody starts them, and both linters call it an error."""
    for module in vendor.rglob("*.py"):
        content = module.read_bytes()
        if content.startswith(b"#!"):
            module.write_bytes(re.sub(rb"^#!.*", b"#", content, count=1))
        module.chmod(0o644)
