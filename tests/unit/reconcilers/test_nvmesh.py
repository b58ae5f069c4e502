"""What NVMesh's commands say, in every wording known, and what that means."""

import json
from dataclasses import replace
from typing import Any

import pytest

from nvkeep.errors import CommandError, CommandTimeout, Denied, StepError, Transient
from nvkeep.host import Completed
from nvkeep.model.plan import Verb
from nvkeep.model.spec import Nvmesh
from nvkeep.probes.nvmesh import answer_of
from nvkeep.reconcilers.backends.base import Ask, Volume
from nvkeep.reconcilers.backends.nvmesh import BACKEND, NvmeshVolume

ASK = Ask(NvmeshVolume(name="vol1"), "server01", "pair", Nvmesh())
HERE = Volume("/dev/nvmesh/vol1")
ATTACH = ("nvmesh_attach_volumes", "--json", "--access", "EXCLUSIVE_READ_WRITE")
DETACH = ("nvmesh_detach_volumes", "--json")


def judged(out: str = "", err: str = "", *, code: int = 1, verb: tuple[str, ...] = ATTACH, volume: str = "vol1") -> StepError:
    return BACKEND.judge(ASK, Completed((*verb, volume), code, out, err))


def answer(status: str | None = None, error: str | None = None, *, name: str = "vol1", **whole: Any) -> str:  # noqa: ANN401 - JSON
    volume = {key: value for key, value in (("status", status), ("error", error)) if value is not None}
    return json.dumps({"status": "success", "volumes": {name: volume}, "error": "", "error_code": 0, **whole})


@pytest.mark.parametrize(
    ("status", "error"),
    [
        ("Reservation Mode Denied", "Reservation Mode Denied."),
        ("Access Mode Denied", "Access Mode Denied."),
        ("Reservation Mode Denied", None),
        ("Access Mode Denied", None),
        ("Attached IO Enabled", "Access Mode Denied."),  # NVMesh 2.4.0
        ("Attached", "Reservation Mode Denied."),
        ("Attach Failed", "Access Mode Denied."),
    ],
)
@pytest.mark.parametrize("code", [0, 1])
def test_a_denial_in_every_wording_and_whatever_the_exit_code(status: str, error: str | None, code: int) -> None:
    assert type(judged(answer(status, error), code=code)) is Denied


@pytest.mark.parametrize(
    ("status", "error"),
    [
        ("Access Version Outdated", None),
        ("Pending", None),
        ("Update Failed", "Volume attach request failed. Failed to update volume. ErrorID: 1047"),
    ],
)
def test_what_is_worth_another_try_when_attaching(status: str, error: str | None) -> None:
    assert type(judged(answer(status, error))) is Transient


@pytest.mark.parametrize("status", ["Busy", "Duplicate Request", "Pending"])
def test_what_is_worth_another_try_when_detaching(status: str) -> None:
    assert type(judged(answer(status), verb=DETACH)) is Transient


@pytest.mark.parametrize(
    ("status", "error"),
    [
        ("Attach Failed", "ErrorID: 1029"),
        ("Unknown Volume", "Unknown Volume ID Given for detach."),
        ("Already Attached", "vol1 is already attached with Reservation mode SHARED_READ_WRITE"),
    ],
)
def test_what_is_neither(status: str, error: str) -> None:
    found = judged(answer(status, error))
    assert type(found) is CommandError
    assert error in str(found)


def test_a_failure_of_the_whole_command() -> None:
    said = "Client does not seem to be running, module is down. ErrorID: 1008"
    found = judged(json.dumps({"status": "failed", "volumes": {}, "error": said, "error_code": 1008}))
    assert type(found) is CommandError
    assert said in str(found)


@pytest.mark.parametrize("noise", ["", "2024-01-02 10:00:00 CRITICAL ", "Warning: deprecated\n\n"])
def test_json_on_stderr_among_noise(noise: str) -> None:
    assert type(judged(err=f"{noise}{answer('Access Mode Denied')}\nbye\n")) is Denied


def test_plain_text_on_stdout_does_not_hide_json_on_stderr() -> None:
    assert type(judged("attaching vol1 {...}\n", answer("Access Mode Denied"))) is Denied


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("vol1: reservation mode requested denied", Denied),
        ("Error: Reservation Mode Denied.", Denied),
        ("nvmesh_attach_volumes: No such file or directory", CommandError),
        ("must be run as root. ErrorID: 1046", CommandError),
        ("", CommandError),
    ],
)
@pytest.mark.parametrize("stream", ["out", "err"])
def test_plain_text(text: str, kind: type[StepError], stream: str) -> None:
    found = judged(text) if stream == "out" else judged(err=text)
    assert type(found) is kind


def test_an_answer_without_the_volume_is_a_failure_with_nothing_to_say() -> None:
    found = judged(json.dumps({"status": "success", "volumes": {}, "error": "", "error_code": 0}))
    assert type(found) is CommandError


def test_another_volume_s_denial_is_not_ours() -> None:
    both = json.dumps(
        {"volumes": {"vol10": {"error": "Access Mode Denied."}, "vol1": {"status": "Attach Failed"}}, "error": ""}
    )
    assert type(judged(both)) is CommandError
    assert type(judged(both, volume="vol10")) is Denied
    assert type(judged(answer("Access Mode Denied", name="vol10"))) is CommandError


@pytest.mark.parametrize("volumes", [None, [], "x", {"vol1": None}, {"vol1": "Access Mode Denied"}, {"vol1": {"status": 7}}])
def test_an_answer_of_another_shape_is_never_a_denial_and_never_a_crash(volumes: object) -> None:
    assert type(judged(json.dumps({"volumes": volumes, "error": ""}))) is CommandError


def test_a_command_of_somebody_else_is_only_a_failure() -> None:
    assert type(BACKEND.judge(ASK, Completed(("mount", "vol1"), 32, "", "Access Mode Denied"))) is CommandError


def test_the_json_is_found_or_not() -> None:
    def found(out: str, err: str = "") -> object:
        return answer_of(Completed(ATTACH, 1, out, err))

    assert found('x {"a": 1} y') == {"a": 1}
    assert found("", '{"a": {"b": 2}}\n') == {"a": {"b": 2}}
    assert found("{broken", '{"a": 1}') == {"a": 1}
    assert found("[1]", "") is None
    assert found("} {", "") is None


def test_commands_name_the_volume_last_and_only_a_seize_preempts() -> None:
    acquired, seized = BACKEND.acquire(ASK), BACKEND.seize(ASK, 7)
    released, isolated = BACKEND.release(ASK, HERE), BACKEND.isolate(ASK, HERE)
    every = [step.argv for steps in (acquired, seized, released, isolated) for step in steps]
    assert len(every) == 4
    assert all(argv[-1] == "vol1" for argv in every)
    assert ["--preempt" in argv for argv in every] == [False, True, False, False]
    assert ["--force" in argv for argv in every] == [False, False, False, True]
    assert [("EXCLUSIVE_READ_WRITE" in argv) for argv in every] == [True, True, False, False]


NEW = replace(ASK, tools="client", client="server01.example.lab")


def test_3x_says_the_same_through_the_management_server() -> None:
    who = ("--id", "server01.example.lab", "--volume", "vol1")
    wait = ("--wait", "--timeout", "25")
    mode = ("--mode", "EXCLUSIVE_READ_WRITE")
    assert BACKEND.acquire(NEW)[0].argv == ("nvmesh", "client", "attach", *who, *mode, *wait)
    assert BACKEND.seize(NEW, 7)[0].argv == (
        "nvmesh",
        "client",
        "attach",
        *who,
        *mode,
        "--reservation-version",
        "7",
        "--preempt",
        *wait,
    )
    assert BACKEND.release(NEW, Volume("/dev/nvmesh/vol1"))[0].argv == ("nvmesh", "client", "detach", *who, *wait)
    assert BACKEND.isolate(NEW, Volume("/dev/nvmesh/vol1"))[0].argv == ("nvmesh", "client", "detach", *who, "--force", *wait)


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("[vol1] failure: Reservation version mismatch, current version: 4", Denied),
        ("[vol1] failure: reservation version is outdated, current reservation version is: 12", Denied),
        ("[vol1] failure: requested RM doesn't comply with the volume RM", Denied),
        ("[vol1] failure: the mode does not comply, please use the preempt flag", Denied),
        ("[vol1] failure: Reservation mismatch during update, retry", Transient),
        ("[vol1] failure: client not found or initializing", Transient),
        ("[vol1] failure: volume not found", CommandError),
        ("connect ECONNREFUSED", CommandError),
    ],
)
def test_3x_denials_are_told_from_failures(said: str, kind: type[StepError]) -> None:
    judged = BACKEND.judge(ASK, Completed(BACKEND.acquire(NEW)[0].argv, 1, said, ""))
    assert type(judged) is kind


def test_a_success_of_3x_is_looked_at_twice_when_it_was_plain() -> None:
    assert BACKEND.confirm(NEW, Verb.ACQUIRE) > 0
    assert BACKEND.confirm(NEW, Verb.SEIZE) == 0
    assert BACKEND.confirm(ASK, Verb.ACQUIRE) == 0


class Installed:
    """A host with the old commands: the text of the script, and what its --help says."""

    name = "server01"

    def __init__(self, text: str | None, said: str = "") -> None:
        self.text, self.said, self.asked = text, said, 0

    def exists(self, path: str) -> bool:
        return path == "/usr/bin/nvmesh_attach_volumes"

    def read(self, path: str) -> str:
        if self.text is None or path != "/usr/bin/nvmesh_attach_volumes":
            raise FileNotFoundError(path)
        return self.text

    def run(self, argv: tuple[str, ...], _timeout: float) -> Completed:
        self.asked += 1
        if self.said == "hangs":
            raise CommandTimeout(argv, 2.0)
        return Completed(argv, 0, self.said, "")


@pytest.mark.parametrize(
    ("host", "json", "asked"),
    [
        (Installed('parser.add_argument("--json")'), True, 0),
        (Installed("exec python2 attach.pyc", "usage: [--access MODE] [--preempt] [--json]"), True, 1),
        (Installed("exec python2 attach.pyc", "usage: [--access MODE] [--preempt]"), False, 1),
        (Installed("exec python2 attach.pyc", "hangs"), True, 1),
        (Installed(None), True, 0),
    ],
)
def test_the_oldest_commands_are_not_asked_for_json(host: Installed, json: bool, asked: int) -> None:
    ask = BACKEND.equip(host, ASK)  # type: ignore[arg-type]  # as much of a Host as is asked
    plans = (BACKEND.acquire(ask), BACKEND.seize(ask, None), BACKEND.release(ask, HERE), BACKEND.isolate(ask, HERE))
    assert {"--json" in step.argv for plan in plans for step in plan} == {json}
    assert host.asked == asked


def test_a_denial_in_plain_text_is_one() -> None:
    said = "vol1: Reservation mode requested denied Reservation mode requested denied."
    assert type(judged("", said, code=0, verb=("nvmesh_attach_volumes",))) is Denied
