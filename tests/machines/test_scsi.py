"""SCSI-3 persistent reservations as LIO keeps them: what a backend may count on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.machines.golden import keep, said
from tests.machines.nvme import read, write
from tests.machines.scsi import ATTENTION, CONFLICT, WRITE_EXCLUSIVE, Lun

if TYPE_CHECKING:
    from lab.vm.farm import Farm

A, B = 0xA, 0xB
INVALID_EXCHANGE = "Invalid exchange"
QUESTIONS = ("read-keys", "read-reservation", "read-full-status")


def test_acquiring_does_not_take_from_another(farm: Farm, lun: Lun) -> None:
    a, b = farm.a, farm.b
    said("scsi/version", a, ("sg_persist", "--version"))
    said("scsi/capabilities", a, lun.ask("report-capabilities"))
    for question in QUESTIONS:
        said(f"scsi/{question}-free", a, lun.ask(question))
    assert said("scsi/reserve-unregistered", a, lun.reserve(A)).returncode
    assert said("scsi/register", a, lun.register(A)).returncode == 0
    assert said("scsi/register-again", a, lun.register(A)).returncode == 0
    said("scsi/read-full-status-registered", a, lun.ask("read-full-status"))
    assert said("scsi/reserve", a, lun.reserve(A)).returncode == 0
    assert said("scsi/reserve-again", a, lun.reserve(A)).returncode == 0
    b.run(lun.register(B))
    for question in QUESTIONS:
        said(f"scsi/{question}-held", b, lun.ask(question))
    assert said("scsi/reserve-refused", b, lun.reserve(B)).returncode == CONFLICT
    assert lun.holder(b) == A


def test_plain_register_refuses_a_second_time(farm: Farm, lun: Lun) -> None:
    argv = ("sg_persist", "--no-inquiry", "--out", "--register", "--param-sark=0xa", lun.device)
    farm.a.run(argv)
    assert said("scsi/register-plain-again", farm.a, argv).returncode == CONFLICT


def test_release_and_unregister(farm: Farm, lun: Lun) -> None:
    a = farm.a
    lun.hold(a, A)
    assert said("scsi/release", a, lun.release(A)).returncode == 0
    said("scsi/read-reservation-released", a, lun.ask("read-reservation"))
    assert said("scsi/unregister", a, lun.unregister()).returncode == 0
    lun.hold(a, A)
    a.run(lun.unregister())
    assert lun.holder(a) is None


def test_who_may_write(farm: Farm, lun: Lun) -> None:
    a, b = farm.a, farm.b
    lun.hold(a, A)
    assert write(a, lun.device).returncode == 0
    assert INVALID_EXCHANGE in write(b, lun.device).stderr
    assert "reservation conflict error" in b.kernel_log(3)
    assert read(b, lun.device).returncode == 0
    b.run(lun.register(B))  # type 5: whoever is registered may write
    assert write(b, lun.device).returncode == 0
    lun.clear()
    lun.hold(a, A, WRITE_EXCLUSIVE)
    b.run(lun.register(B))
    assert INVALID_EXCHANGE in write(b, lun.device).stderr


def test_preempting_fences(farm: Farm, lun: Lun) -> None:
    a, b = farm.a, farm.b
    lun.hold(a, A)
    b.run(lun.register(B))
    assert said("scsi/preempt-wrong-key", b, lun.preempt(B, 0xFF)).returncode == CONFLICT
    assert said("scsi/preempt", b, lun.preempt(B, A)).returncode == 0
    assert INVALID_EXCHANGE in write(a, lun.device).stderr
    assert said("scsi/release-preempted", a, lun.release(A)).returncode == CONFLICT
    assert said("scsi/reserve-preempted", a, lun.reserve(A)).returncode
    assert lun.holder(a) == B
    a.run(lun.register(A))  # a preempted host can register again, and with type 5 it can write then
    assert write(a, lun.device).returncode == 0


def test_the_first_command_after_a_preemption_only_brings_the_news(farm: Farm, lun: Lun) -> None:
    brings_news(farm, lun, "scsi/read-full-status-preempted", lun.ask("read-full-status"))
    brings_news(farm, lun, "scsi/reserve-unit-attention", lun.reserve(A))
    assert said("scsi/reserve-after-attention", farm.a, lun.reserve(A)).returncode == CONFLICT


def brings_news(farm: Farm, lun: Lun, name: str, argv: tuple[str, ...]) -> None:
    for _ in range(5):  # the kernel's own look at the disk may be the first command: then it has the news
        lun.clear()
        lun.hold(farm.a, A)
        farm.b.run(lun.register(B))
        farm.b.run(lun.preempt(B, A))
        done = farm.a.run(argv, check=False)
        if done.returncode == ATTENTION:
            break
    assert keep(name, argv, done).returncode == ATTENTION


def test_preempting_with_type_1_fences_for_good(farm: Farm, lun: Lun) -> None:
    a, b = farm.a, farm.b
    lun.hold(a, A, WRITE_EXCLUSIVE)
    b.run(lun.register(B))
    assert said("scsi/preempt-1", b, lun.preempt(B, A, WRITE_EXCLUSIVE)).returncode == 0
    lun.attend(a)
    a.run(lun.register(A))
    assert INVALID_EXCHANGE in write(a, lun.device).stderr
    assert lun.holder(a) == B


def test_a_reservation_outlives_the_session_of_its_holder(farm: Farm, lun: Lun) -> None:
    lun.hold(farm.a, A, WRITE_EXCLUSIVE)
    farm.iscsi.disconnect(farm.a)
    assert lun.holder(farm.b) == A
    assert farm.iscsi.connect(farm.a) == lun.device
    assert write(farm.a, lun.device).returncode == 0


def test_a_missing_device_is_an_error(farm: Farm, lun: Lun) -> None:
    assert lun.device
    argv = ("sg_persist", "--no-inquiry", "--in", "--read-reservation", "/dev/sdz")
    assert said("scsi/read-reservation-no-device", farm.a, argv).returncode
