"""How the commands of one NVMesh era answer: words, exit codes, and where the JSON goes."""

from __future__ import annotations

from dataclasses import dataclass

DENIED = "denied"


@dataclass(frozen=True, slots=True)
class Era:
    """The habits of one release; every field can be changed by itself through the control socket."""

    denied: str = "Access Mode Denied"
    denied_as: str | None = None  # 2.4.0 says IO is enabled, and the denial only in `error`
    denied_exit: int = 1
    stream: str = "stderr"  # the JSON goes through a logger
    noise: str = ""  # lines before the JSON
    style: str = "hex"  # of status.json: hex, int, old
    hang: bool = False  # the commands never answer
    down: bool = False  # the client module is down


ERAS = {
    "2.3": Era(denied="Reservation Mode Denied", denied_exit=0, style="old"),
    "2.4.0": Era(denied_as="Attached IO Enabled"),
    "2.4": Era(),
    "2.5": Era(style="int", noise="nvmesh: 2.5 client ready"),
}

Result = dict[str, str]


def denial(era: Era) -> Result:
    """Return the words of a denial."""
    return {"status": era.denied_as or era.denied, "error": f"{era.denied}."}


def reply(era: Era, results: dict[str, Result], *, denied: bool) -> dict[str, object]:
    """Return what the command prints and its exit code, which lies in the old era."""
    failed = any("error" in result for result in results.values())
    code = (era.denied_exit if denied else 1) if failed else 0
    return {
        "json": {"status": "success", "volumes": results, "error": "", "error_code": 0},
        "exit": code,
        "stream": era.stream,
        "noise": era.noise,
    }


def module_down(era: Era) -> dict[str, object]:
    """Return the reply of a host whose client module does not run."""
    error = "Client does not seem to be running, module is down. ErrorID: 1008"
    return {
        "json": {"status": "failed", "volumes": {}, "error": error, "error_code": 1008},
        "exit": 1,
        "stream": era.stream,
        "noise": era.noise,
    }
