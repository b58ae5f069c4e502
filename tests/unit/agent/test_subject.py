"""Which addresses a standby asks for when, and what it knows of their silence."""

import pytest

from nvkeep.agent.subject import CALM, FORGET_S, REST_S, SUSPECT_S, Subject, every, pauses
from nvkeep.core.liveness import Unanswered
from nvkeep.model.spec import Timing

EVERY = 0.1
OFTEN = CALM * EVERY


def subject(name: str, host: str = "", at: float = 100.0) -> Subject:
    made = Subject(name, ("10.0.0.1",), EVERY)
    if host:
        made.answer(at, host)
    return made


def test_of_each_host_that_answers_one_service_is_asked_about_often() -> None:
    subjects = [subject("a", "x"), subject("b", "x"), subject("c", "y"), subject("d")]
    assert pauses(subjects, 100.0) == {"a": OFTEN, "b": REST_S, "c": OFTEN, "d": EVERY}


def test_what_is_here_is_asked_about_by_nobody() -> None:
    here = subject("a", "x")
    here.here = True
    assert pauses([here, subject("b", "x")], 100.0) == {"b": OFTEN}
    here.failed = 1
    assert here.unanswered() is None


def test_all_services_of_a_host_that_should_have_answered_are_asked_about() -> None:
    subjects = [subject("a", "x"), subject("b", "x"), subject("c", "y")]
    subjects[0].ask(100.1)
    assert pauses(subjects, 100.1 + SUSPECT_S / 2) == {"a": OFTEN, "b": REST_S, "c": OFTEN}
    assert pauses(subjects, 100.1 + SUSPECT_S) == {"a": EVERY, "b": EVERY, "c": OFTEN}
    subjects[0].answer(100.15, "x")
    assert pauses(subjects, 100.2) == {"a": OFTEN, "b": REST_S, "c": OFTEN}


@pytest.mark.parametrize("answered", [99.0, 99.7, 99.8, 99.95])
def test_silence_counts_from_the_last_answer_where_it_was_asked_about_since(answered: float) -> None:
    silent = subject("b", "x", at=answered)
    for now in (100.0, 100.1, 100.2):
        silent.ask(now)
        assert not silent.late(now + EVERY / 2)
        assert silent.late(now + EVERY)
        silent.fail(now + EVERY)
    assert silent.unanswered() == pytest.approx((max(answered, 100.0 - OFTEN), 100.3, 3))


def test_what_never_answered_is_silent_since_it_was_first_asked() -> None:
    never = subject("a")
    assert never.unanswered() is None
    never.ask(100.0)
    never.fail(100.1)
    assert never.unanswered() == Unanswered(100.0, 100.1, 1)


def test_what_has_been_silent_for_long_is_asked_about_at_rest() -> None:
    long = subject("a", "x")
    for now in (100.1, 100.0 + FORGET_S):
        long.ask(now)
        long.fail(now + 0.1)
    assert pauses([long, subject("b", "x", at=110.0)], 110.2) == {"a": REST_S, "b": OFTEN}


@pytest.mark.parametrize("advert", [0.05, 0.1, 0.2, 1.0])
@pytest.mark.parametrize("position", [0, 1, 7])
def test_the_third_question_in_vain_ends_just_after_the_window(advert: float, position: int) -> None:
    timing = Timing(advert=advert)
    known = (CALM + 3) * every(timing, position)  # since the last answer
    assert timing.liveness_window(position) < known < 1.1 * timing.liveness_window(position)
