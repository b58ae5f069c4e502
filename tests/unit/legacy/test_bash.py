"""The original's nvkeep_service.conf, read without bash: as bash itself reads it, or refused."""

import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from nvkeep.legacy.bash import Reader

COUNTS = settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
BASH = ("/bin/bash", "--norc", "--noprofile", "-r", "-c")  # restricted, and without a PATH: nothing could be run


def ours(text: str) -> Reader:
    return Reader(text, "conf").read()


def words(text: str, key: str = "A") -> list[str]:
    reader = ours(text)
    assert reader.mistakes == [], reader.mistakes
    return [word.text for word in reader.values[key].words]


def bashs(text: str, keys: list[str], where: Path) -> dict[str, list[str]]:
    """Give what bash itself makes of the keys."""
    show = "".join(f"printf '%s\\0' {key} \"${{{key}[@]}}\"; printf '\\1\\0'\n" for key in keys)
    done = subprocess.run([*BASH, f"{text}\n{show}"], cwd=where, env={}, capture_output=True, timeout=10, check=False)
    groups = [group.split("\0")[:-1] for group in done.stdout.decode().split("\1\0")[:-1]]
    return {group[0]: group[1:] for group in groups}


LISTS = {
    "(a b)": ["a", "b"],
    "()": [],
    "( )": [],
    "( # nothing\n)": [],
    "(a # one\n  b)": ["a", "b"],
    "(a\\\nb c)": ["ab", "c"],
    "('a b' \"c d\" e\\ f)": ["a b", "c d", "e f"],
    "({mgmtd,meta}-${H})": ["mgmtd-server01", "meta-server01"],
    "(beegfs-{mgmtd,meta,storage}@$H )": ["beegfs-mgmtd@server01", "beegfs-meta@server01", "beegfs-storage@server01"],
    "({a,b}{c,d})": ["ac", "ad", "bc", "bd"],
    "({a,{b,c}d})": ["a", "bd", "cd"],
    "(x{1..3} {03..1} {a..c} {5..1..2})": ["x1", "x2", "x3", "03", "02", "01", "a", "b", "c", "5", "3", "1"],
    "({a} {} {a,b '{a,b}' {a\\,b} {a','b})": ["{a}", "{}", "{a,b", "{a,b}", "{a,b}", "{a,b}"],
    "({a,} {a,''})": ["a", "a", ""],
    '($TWO "$TWO" x${TWO}y)': ["a", "b", "a b", "xa", "by"],
    "($EMPTY '' \"$EMPTY\")": ["", ""],
    "(192.168.0.{1,2}/24 eth0:1 a#b $ a=b)": ["192.168.0.1/24", "192.168.0.2/24", "eth0:1", "a#b", "$", "a=b"],
}  # fmt: skip
BEFORE = "H=server01\nTWO='a b'\nEMPTY=\n"


@pytest.mark.parametrize("written", LISTS)
def test_a_list_is_read_as_bash_reads_it(written: str, tmp_path: Path) -> None:
    text = f"{BEFORE}A={written}\n"
    assert words(text) == LISTS[written] == bashs(text, ["A"], tmp_path)["A"]


SCALARS = {
    "a": "a", '"a b"': "a b", "'$H'": "$H", '"$H"-x': "server01-x", "${H}${H}": "server01server01", "{a,b}": "{a,b}",
    "": "", '""': "", "a\\ b": "a b", '"a\\"b\\$c\\d"': 'a"b$c\\d', "$TWO": "a b", "a*b": "a*b", "x\\\ny": "xy", "a;": "a",
    "a # b": "a", '"a$"': "a$", "'a'b\"c\"": "abc",
}  # fmt: skip


@pytest.mark.parametrize("written", SCALARS)
def test_a_word_is_read_as_bash_reads_it(written: str, tmp_path: Path) -> None:
    text = f"{BEFORE}A={written}\n"
    assert words(text) == [SCALARS[written]] == bashs(text, ["A"], tmp_path)["A"]


REFUSED = ("$(ls)", "`ls`", "$((1+1))", "${A:-b}", "${#A}", "${A[0]}", "$1", "$?", "$$", "$'a'", '$"a"', "~/x", "a:~/x", "a|b",
           "a&", "a>b", "<(a)", "(a", "'a", '"a', "(*)", "(a?)", "([0]=a)", "(a)b", "(a;b)", "$NOT_THERE", "(${L})",
           "({1..99999})", "({1..99999999999})", "({a..Z})", f"({'{a,b}' * 20})", f"({'{' * 40})", "a\x1bb")  # fmt: skip


@pytest.mark.parametrize("written", REFUSED)
def test_what_is_more_than_words_is_refused_at_its_place(written: str) -> None:
    reader = ours(f"L=(a b)\nA={written}\nB=x\n")
    assert "A" not in reader.values
    assert [mistake.at.line for mistake in reader.mistakes] == [2]
    assert reader.mistakes[0].at.column > len("A")
    assert "; " in reader.mistakes[0].text or ": " in reader.mistakes[0].text


def test_what_only_follows_from_a_mistake_is_not_told() -> None:
    reader = ours("A=$(hostname)\nB=${A}-x\nC=(${B})\nD=ok\n")
    assert [mistake.at.line for mistake in reader.mistakes] == [1]
    assert list(reader.values) == ["D"]


PIECES = ("a", "b1", "-", " ", "{", "}", ",", "{a,b}", "{1..3}", "..", "'", '"', "\\", "$H", "${H}", "${TWO}", "$EMPTY", "$",
          "#", "\n", "=", ":", "/", ";", "(", ")", "*", "~", "`", "|", "x y", "''", '""')  # fmt: skip


def test_whatever_is_read_bash_reads_the_same(tmp_path: Path) -> None:
    compared: list[str] = []

    @COUNTS
    @given(st.lists(st.sampled_from(PIECES), max_size=12), st.booleans())
    @example(["{", "a", ",", "b", "{", "a", ",", "b", "}"], True)
    @example(["{", "{a,b}"], True)
    @example(["{a,b}", "}"], True)
    @example(["\\"], False)
    def read(pieces: list[str], listed: bool) -> None:
        value = "".join(pieces)
        text = f"{BEFORE}A=({value})\n" if listed else f"{BEFORE}A={value}\n"
        reader = ours(text)
        if not reader.mistakes and not {";;", "; ;"} & {text[at : at + 2] for at in range(len(text))}:
            keys = list(reader.values)
            assert {key: [word.text for word in reader.values[key].words] for key in keys} == bashs(text, keys, tmp_path)
            compared.append(text)

    read()
    assert len(compared) > 20  # the rest is refused


@COUNTS
@given(st.text(max_size=200))
@example("A=\\")
@example("A=(\\")
@example("A=(" + "{a,{b," * 25 + "}" * 50 + ")")
@example("A=({" + "," * 5000 + "})")
@example("A=(" + "a " * 20000 + ")")
@example("\x00=1\n\ufeffA=2\r\nB=3\r")
@example("A=\u2028\nB=(\u00a0)")
def test_any_text_is_read_or_refused_with_a_place_in_it(text: str) -> None:
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    for mistake in ours(text).mistakes:
        assert 1 <= mistake.at.line <= len(lines)
        assert 1 <= mistake.at.column <= len(lines[mistake.at.line - 1]) + 2


def test_the_command_that_converts_a_file_with_crlf_is_right(tmp_path: Path) -> None:
    file = tmp_path / "conf"
    file.write_bytes(b"A=1\r\nB=2\r\n")
    (mistake,) = ours(file.read_bytes().decode()).mistakes
    command = mistake.text.partition("convert it: ")[2]
    subprocess.run(("/bin/sh", "-c", command.replace("FILE", str(file))), check=True, timeout=10)
    assert ours(file.read_text()).mistakes == []
