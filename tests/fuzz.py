"""Mutating fuzz over everything that reads what comes from outside: `make fuzz MINUTES=10`. Only our own errors may come out.

Each input is a real one (tests/golden, or what the tests have of a tool) with characters replaced, removed, doubled, inserted,
among them those that end a line for some and not for others. A seed that fails is printed, and ends the run.
"""

import os
import random
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nvkeep.checks import consistency
from nvkeep.config import parsing
from nvkeep.errors import NvkeepError
from nvkeep.host import Completed
from nvkeep.host.ssh import json_of
from nvkeep.host.text import load
from nvkeep.keepalived import dump
from nvkeep.keepalived.parser import statements
from nvkeep.legacy import convert
from nvkeep.model.health import HttpHealth, MysqlHealth, NfsHealth, PostgresqlHealth, question
from nvkeep.model.override import Kind
from nvkeep.probes import address, drbd, fstab, mountinfo, nvme, nvmesh, scsi, unit, witness
from nvkeep.setup.record import Record
from nvkeep.setup.survey import Survey
from nvkeep.state.orders import Overrides, Timestamps
from nvkeep.state.service import Store
from nvkeep.unmount import blockers, processes
from tests.golden.output import OUTPUT, captured
from tests.unit.config.test_fuzz import VALID
from tests.unit.played import Played

say = print

HERE = Path(__file__).parent
ODD = (
    "\r",
    "\v",
    "\f",
    "\x1c",
    "\x85",
    "\u2028",
    "\udcff",
    "\0",
    "\n",
    " ",
    "=",
    ":",
    "{",
    "[" * 3000,
    "1e999",
    "9" * 400,
    "-1",
    "null",
)
OURS = (NvkeepError, OSError)


def files(*patterns: str) -> list[str]:
    return [
        path.read_text(errors="surrogateescape") for pattern in patterns for path in sorted((HERE / "golden").glob(pattern))
    ]


def outputs(tool: str) -> list[str]:
    return [text for path in sorted((OUTPUT / tool).glob("*.json")) for text in [captured(tool, path.stem).out] if text]


MOUNTS = Path("/proc/self/mountinfo").read_text()
STATUS = (
    '{"name":"v","type":"visible","status":"Live, with IO","dbg":"0x200","reservation":"EXCLUSIVE_READ_WRITE","io_enabled":1}'
)
UNIT = "LoadState=loaded\nActiveState=active\nSubState=running\nResult=success\nMainPID=8\nInactiveEnterTimestampMonotonic=12\n"
LINKS = '[{"ifname":"eth0","addr_info":[{"family":"inet","local":"10.0.0.9","prefixlen":24,"label":"eth0"}]}]'
ROLES = '[{"data":{"iname":"pg@hb0","state":2},"stats":{"advert_rcvd":5}}]'
ROUTES = "Iface\tDestination\tGateway\tFlags\neth0\t00000000\t0101A8C0\t0003\t0\n"
MAPS = "7f00-7f01 r-xp 00000000 08:01 12 /usr/lib/x\n"
ANSWERS = ["N", "Y\0\0\0\n5.5", "\udc80\0\0\x18nvkp\0\0\0\1\0\0\0\0", "HTTP/1.1 200 OK\r\n"]
PEER = '[{"service": "pg", "summary": "ok", "holder_word": "me", "settled": true, "role": "MASTER"}]'
BOOT = "boot"
STATES = {
    "/run/nvkeep/standing/pg": '{"cooling_until": 1.0}', "/run/nvkeep/claim/pg": BOOT, "/run/nvkeep/starts/pg": "[1.0, 2.0]",
    "/run/nvkeep/report/pg": '{"boot": "boot", "at": 1.0, "did": "serve", "outcomes": '
    '[{"key": "a", "word": "in-sync", "reason": ""}]}',
    "/var/lib/nvkeep/loss/pg": '{"loss": {"count": 0, "at": 0.0, "listening_since": null, "listen_at": 0.0}, "boot": "boot"}',
    "/var/lib/nvkeep/held/pg": '{"key": "a", "why": "b", "since": "c"}', "/run/nvkeep/role/pg": "MASTER",
    "/var/lib/nvkeep/override/standby": '{"service": "", "owner": "o", "reason": "r", "since": "s", "until": 0}',
    "/run/nvkeep/moving/pg": '{"at": 1.0, "boot": "boot"}', "/run/nvkeep/asked": '{"boot": "boot", "at": 1.0}',
    "/run/nvkeep/agreement": '{"boot": "boot", "peers": {}}',
}  # fmt: skip


def state(text: str) -> None:
    """Read every file of state, each with this text in it."""
    host: Any = Played(files=dict.fromkeys(STATES, text))
    store = Store(host, "pg")
    for read in (store.claimed, store.timers, store.fencing, store.starts, store.report, store.settled_before, store.flag):
        read()
    Timestamps(host, "pg").moving()
    consistency.read(host)
    consistency.noted(host, consistency.ASKED)
    for ask in (store.held, store.manual_role, lambda: str(Overrides(host).read(Kind.STANDBY, ""))):
        try:
            ask()
        except OURS:
            continue


def process(text: str) -> None:
    """Read what /proc says of a process."""
    processes.mapped(text, frozenset({"8:1"}))
    processes.mount_of(text)
    processes.unit_of(text)


def peer(text: str) -> None:
    """Read what another host answers."""
    json_of("srv-b", Completed(("nvkeep", "status"), 0, text, text))


def dialogue(text: str) -> None:
    """Judge what a service answers."""
    for health in (PostgresqlHealth(postgresql=1), MysqlHealth(mysql=1), NfsHealth(nfs=1), HttpHealth(http=1)):
        asked = question(health)
        assert asked
        asked.good(text.encode(errors="surrogateescape"))


READERS: dict[str, tuple[Callable[[str], object], list[str], tuple[type[Exception], ...]]] = {
    "mount table": (lambda text: mountinfo.places(text, "/srv/pg", "252:0"), [MOUNTS], OURS),
    "fstab": (lambda text: list(fstab.parse(text)), files("import/*.fstab"), OURS),
    "addresses": (address.parse, [LINKS], OURS),
    "units": (lambda text: (unit.parse(text), unit.parse_install(text)), [UNIT], OURS),
    "nvme": (nvme.parse, outputs("nvme"), OURS),
    "scsi": (lambda text: (scsi.parse_holder(text), scsi.parse_keys(text)), outputs("scsi"), OURS),
    "drbd": (lambda text: drbd.parse(text, "r0"), outputs("drbd"), OURS),
    "nvmesh": (nvmesh.parse, [STATUS], OURS),
    "nvmesh's answers": (lambda text: nvmesh.words_of(Completed(("a", "vol1"), 0, text, text)), [STATUS], OURS),
    "routes": (lambda text: list(witness.gateways(Played(files={"/proc/net/route": text}), {"eth0"})), [ROUTES], OURS),  # type: ignore[arg-type]  # as much of a Host as is asked
    "keepalived's roles": (dump.parse, [ROLES], (*OURS, ValueError)),
    "keepalived's text": (dump.parse_text, files("keepalived/dump/*.data"), (*OURS, ValueError)),
    "keepalived.conf": (lambda text: list(statements(text)), files("keepalived/*.conf", "keepalived/old/*"), OURS),
    "processes": (process, [MAPS], OURS),
    "the kernel's holders": (lambda text: (blockers.swap_files(text), blockers.exports(text)), ["/srv/a  *(rw)\n"], OURS),
    "cluster.yaml": (parsing.parse, [VALID, *files("config/*.yaml")[:40]], OURS),
    "the original's files": (
        lambda text: convert(("conf", text), ("fstab", text)), files("import/*.nvkeep_service.conf", "import/*.fstab"), OURS,
    ),
    "state files": (state, list(STATES.values()), OURS),
    "peers": (peer, [PEER], (*OURS, ValueError)),
    "surveys": (lambda text: Survey.parse(load(text)), [PEER], (*OURS, ValueError, TypeError, KeyError)),
    "setup's record": (Record.parse, ['{"texts": {}, "units": {}}'], (*OURS, ValueError, TypeError, KeyError, AttributeError)),
    "services": (dialogue, ANSWERS, OURS),
}  # fmt: skip


def mutated(text: str, chance: random.Random) -> str:
    """Spoil a text in one to four places."""
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(text) + 1)
        until = min(len(text), at + chance.randint(0, 8))
        piece = chance.choice(("", chance.choice(ODD), text[at:until] * 2, chr(chance.randrange(32, 0x2100))))
        text = text[:at] + piece + text[until:]
    return text[: chance.randrange(len(text) + 1)] if chance.random() < 0.1 else text


def main(minutes: float) -> int:
    """Run for so many minutes; 1 when an exception of another kind came out."""
    end, runs, seed = time.monotonic() + 60 * minutes, dict.fromkeys(READERS, 0), int(os.environ.get("SEED", "0"))
    names = [name for name, (_, texts, _) in READERS.items() if texts]
    while time.monotonic() < end:
        seed += 1
        chance = random.Random(seed)  # noqa: S311 - chances of a test
        name = names[seed % len(names)]
        read, texts, allowed = READERS[name]
        text = mutated(chance.choice(texts), chance)
        try:
            read(text)
        except allowed:
            pass
        except Exception:  # noqa: BLE001 - this is what is looked for
            traceback.print_exc()
            say(f"{name}: SEED={seed - 1} gives an exception of another kind; the input is {text!r:.500}")
            return 1
        runs[name] += 1
    say(*(f"{name}: {count}" for name, count in runs.items()), sep="\n")
    say(f"{sum(runs.values())} inputs in {minutes:g} minutes, and no exception but nvkeep's own")
    return 0


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]) if len(sys.argv) > 1 else 1.0))
