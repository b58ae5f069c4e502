"""How the host commands of one NVMesh era answer: options, words, exit codes, and where the JSON goes."""

from __future__ import annotations

from dataclasses import dataclass

DENIED = "denied"
ALL_OPTIONS = ("json", "access", "preempt", "wait", "force")


@dataclass(frozen=True, slots=True)
class Era:
    """The habits of one release; every field can be changed by itself through the control socket."""

    denied: str = "Access Mode Denied"
    denied_as: str | None = None  # 2.4.0 says IO is enabled, and the denial only in `error`
    denied_exit: int = 1
    options: tuple[str, ...] = ALL_OPTIONS  # what --help offers; anything else is a usage error
    stream: str = "stderr"  # the JSON goes through a logger
    noise: str = ""  # lines before the JSON
    noise_after: str = ""  # lines after it
    garbled: str = ""  # printed instead of the answer
    crash: bool = False  # an unexpected exception after the work was done: exit 3
    busy: str = "busy"  # a detach of an open volume: "busy" refuses, "pending" goes on in the background
    auto_attach: bool = False  # the client attaches again after a boot what was attached before
    style: str = "hex"  # of status.json: see lab.statusfiles.STYLES
    hang: bool = False  # the commands never answer
    down: bool = False  # the client module is down
    bare: bool = False  # attachments without a device node: for thousands of them, nothing can read or write


ERAS = {
    "1.3": Era(denied="Reservation mode requested denied", denied_exit=0, style="old", options=("wait", "preempt", "force")),
    "2.3": Era(denied="Reservation Mode Denied", denied_exit=0, style="old"),
    "2.4.0": Era(denied_as="Attached IO Enabled"),
    "2.4": Era(),
    "2.5": Era(style="int", noise="nvmesh: 2.5 client ready"),
    "3.5": Era(style="jdr"),
}

Result = dict[str, str]


def denial(era: Era) -> Result:
    """Return the words of a denial."""
    return {"status": era.denied_as or era.denied, "error": f"{era.denied}."}


def reply(era: Era, results: dict[str, Result], *, denied: bool) -> dict[str, object]:
    """Return what the command prints and its exit code, which lies in the old era."""
    failed = any("error" in result for result in results.values())
    code = (era.denied_exit if denied else 1) if failed else 0
    return _printed(era, {"status": "success", "volumes": results, "error": "", "error_code": 0}, code)


def module_down(era: Era) -> dict[str, object]:
    """Return the reply of a host whose client module does not run."""
    error = "Client does not seem to be running, module is down. ErrorID: 1008"
    return _printed(era, {"status": "failed", "volumes": {}, "error": error, "error_code": 1008}, 1)


def crashed(era: Era) -> dict[str, object]:
    """Return the reply of a command that met an exception."""
    error = "Unexpected error. ErrorID: 1013"
    return _printed(era, {"status": "failed", "volumes": {}, "error": error, "error_code": 1013}, 3)


def _printed(era: Era, answer: dict[str, object], code: int) -> dict[str, object]:
    around = {"stream": era.stream, "noise": era.noise, "noise_after": era.noise_after, "garbled": era.garbled}
    return {"json": answer, "exit": code, **around}
