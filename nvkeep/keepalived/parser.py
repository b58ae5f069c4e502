"""Reading a keepalived.conf that others wrote: statements with their place. Pure but for reading files."""

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import NamedTuple

from nvkeep.host import Host, lines
from nvkeep.host.files import BYTES
from nvkeep.keepalived.names import CONF, PART

WORD = r"\"[^\"]*\"|'[^']*'|[{}]|[^\s{}\"']+"
DEPTH = 8  # of files that include files


class Statement(NamedTuple):
    """A line that says something: the blocks it stands in, its words, and where."""

    blocks: tuple[str, ...]
    words: tuple[str, ...]
    file: str
    line: int

    @property
    def place(self) -> str:
        """Give file:line."""
        return f"{self.file}:{self.line}"


class Instance(NamedTuple):
    """A vrrp_instance of somebody else's."""

    name: str
    place: str
    interface: str = ""
    router_id: int = 0
    unicast: bool = False


def statements(text: str, file: str = CONF) -> Iterator[Statement]:
    """Read the statements of one file, blocks' heads among them. A line for some hosts only (@host) counts for all.

    What is not UTF-8 becomes U+FFFD: statements are shown, and compared with what keepalived says.
    """
    text = text.encode(errors=BYTES).decode(errors="replace")
    blocks: list[str] = []
    head: tuple[str, ...] = ()
    for number, line in enumerate(lines(text), 1):
        words: list[str] = []
        for word in [*_tokens(line), ""]:
            if word and word not in "{}":
                words.append(word)
                continue
            if words:
                head = tuple(words)
                yield Statement(tuple(blocks), head, file, number)
                words = []
            if word == "{":
                blocks.append(" ".join(head))  # it may stand on a line of its own
            elif word == "}":
                del blocks[-1:]


def _tokens(line: str) -> list[str]:
    """Split a line; ! and # begin a comment outside of quotes, @ a condition."""
    bare = re.sub(r"(\"[^\"]*\"|'[^']*')|[!#].*", lambda match: match[1] or "", line)
    tokens = [token.strip("\"'") for token in re.findall(WORD, bare)]
    return tokens[1:] if tokens and tokens[0].startswith("@") else tokens


def included(statement: Statement) -> str:
    """Give the pattern of an include statement, made absolute; empty for other statements."""
    words = statement.words
    if len(words) < 2 or not re.fullmatch(r"include[abmrw]?", words[0]):  # noqa: PLR2004 - keyword and file
        return ""
    directory = statement.file.rpartition("/")[0]
    return words[1] if words[1].startswith("/") else f"{directory}/{words[1]}"


def whole(host: Host, text: str, file: str = CONF, depth: int = 0) -> Iterator[Statement]:
    """Read the statements of a file and of what it includes, without our own part."""
    for statement in statements(text, file):
        yield statement
        pattern = included(statement)
        for path in _matching(host, pattern) if pattern and depth < DEPTH else ():
            if path not in (PART, file):
                yield from whole(host, _read(host, path), path, depth + 1)


def _matching(host: Host, pattern: str) -> list[str]:
    directory, _, last = pattern.rpartition("/")
    return [f"{directory}/{name}" for name in host.names(directory) if fnmatchcase(name, last) and name[0] != "."]


def _read(host: Host, path: str) -> str:
    try:
        return host.read(path)
    except OSError:
        return ""  # keepalived says so itself: `keepalived -t` is asked before anything is put in place


def instances(statements: list[Statement]) -> list[Instance]:
    """Gather the vrrp_instances."""
    gathered: dict[str, Instance] = {}
    for statement in statements:
        if not statement.blocks and statement.words[0] == "vrrp_instance" and len(statement.words) > 1:
            gathered[statement.words[1]] = Instance(statement.words[1], statement.place)
        elif statement.blocks and statement.blocks[0].startswith("vrrp_instance "):
            name = statement.blocks[0].split()[1]
            gathered[name] = _with(gathered.get(name, Instance(name, statement.place)), statement.words)
    return list(gathered.values())


def _with(instance: Instance, words: tuple[str, ...]) -> Instance:
    value = words[1] if len(words) > 1 else ""
    if words[0] == "interface":
        return instance._replace(interface=value)
    if words[0] == "virtual_router_id" and value.isdigit():
        return instance._replace(router_id=int(value))
    return instance._replace(unicast=True) if words[0] == "unicast_peer" else instance
