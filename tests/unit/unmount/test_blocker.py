"""A blocker is named on one line, whatever its file is called, and its fix can be typed as it is printed."""

import subprocess

import pytest

from nvkeep.unmount.blocker import Blocker, Sort


@pytest.mark.parametrize(
    "name", ["/srv/a b", "/srv/it's", "/srv/a\x1b[31m\nb", "/srv/x\udcff", "/srv/ü\u2028", "/srv/back\\slash\n"]
)
def test_a_fix_is_typed_as_it_is_printed(name: str) -> None:
    remedy = Blocker(Sort.MOUNT, name, "x").remedy
    assert remedy.isprintable()
    done = subprocess.run(["/bin/bash", "-c", remedy.replace("umount", "printf %s", 1)], capture_output=True, check=True)
    assert done.stdout.decode(errors="surrogateescape") == name


def test_a_name_starts_no_line_of_its_own() -> None:
    named = str(Blocker(Sort.PROCESS, "/srv/x", "has /srv/x\n[OK] open\x1b[31m open", 5, "a\x07b"))
    assert named == "pid 5 (a\\x07b) has /srv/x\\n[OK] open\\x1b[31m open"
