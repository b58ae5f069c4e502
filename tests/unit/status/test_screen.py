"""The view of the whole cluster: the word and the sentence that matter, in every situation."""

from typing import Any

import pytest

from nvkeep.model.summary import Summary
from nvkeep.status.screen import Overall, everything, headline, judge

Hosts = dict[str, dict[str, Any]]
HOLDS: dict[str, Any] = {
    "summary": "ok", "role": "MASTER", "holder_word": "me", "eligible": True, "eligible_why": "",
    "why": "this host holds the volume",
    "last_pass": "2 s ago: serve", "warnings": [], "orders": [], "lines": [
        {"mark": "[OK]", "title": "VOLUME", "name": "vol1", "reason": ""}], "past": ["here since noon"],
}  # fmt: skip
WAITS = HOLDS | {
    "role": "BACKUP", "holder_word": "another", "why": "another host holds the volume and the role here is BACKUP",
    "lines": [{"mark": "[--]", "title": "VOLUME", "name": "vol1", "reason": ""}], "last_pass": "1 s ago: rest", "past": [],
}  # fmt: skip
UNFIT = WAITS | {"summary": "degraded", "eligible": False, "eligible_why": "x.service is masked; systemctl unmask x.service"}
SILENT: dict[str, Any] = {"unheard": "cannot reach b over ssh: no route"}
BROKEN = {"mark": "[NOT OK]", "title": "MOUNTPOINT", "name": "/srv", "reason": "absent"}
SITUATIONS: list[tuple[str, Hosts, Summary, str]] = [
    ("healthy", {"a": HOLDS, "b": WAITS}, Summary.OK, "served by a; b can take over"),
    ("three", {"a": HOLDS, "b": WAITS, "c": WAITS}, Summary.OK, "served by a; b and c can take over"),
    ("takeover", {"a": SILENT, "b": HOLDS | {"summary": "converging", "lines": [BROKEN]}}, Summary.CONVERGING,
     "b: MOUNTPOINT: /srv: absent"),
    ("two", {"a": HOLDS, "b": HOLDS}, Summary.SPLIT, "a and b both say that they hold it"),
    ("split", {"a": HOLDS, "b": WAITS | {"summary": "split", "eligible": False, "eligible_why": "another host serves (split)"}},
     Summary.SPLIT, "served by a; b may not take over: another host serves (split)"),
    ("lost", {"a": WAITS | {"summary": "lost", "eligible": False, "eligible_why": "fenced"}, "b": HOLDS}, Summary.LOST,
     "served by b; a may not take over: fenced"),
    ("stuck", {"a": HOLDS | {"summary": "stuck", "warnings": ["/srv is held by less[7]"]}, "b": WAITS}, Summary.STUCK,
     "a: /srv is held by less[7]"),
    ("held", {"a": WAITS | {"summary": "held", "warnings": ["3 starts did not last"]}, "b": UNFIT}, Summary.HELD,
     "nobody serves it; a: 3 starts did not last"),
    ("held alone", {"a": WAITS | {"summary": "held", "warnings": ["3 starts did not last"]}, "b": SILENT}, Summary.HELD,
     "no host that answered holds it; a: 3 starts did not last"),
    ("maintenance", {"a": HOLDS | {"summary": "maintenance", "orders": ["maintenance: it is watched"]}, "b": WAITS},
     Summary.MAINTENANCE, "a: maintenance: it is watched"),
    ("standby", {"a": HOLDS, "b": UNFIT | {"summary": "standby", "orders": ["this host is on standby"]}}, Summary.STANDBY,
     "served by a; b may not take over: x.service is masked; systemctl unmask x.service"),
    ("not ready", {"a": HOLDS, "b": UNFIT}, Summary.DEGRADED,
     "served by a; b may not take over: x.service is masked; systemctl unmask x.service"),
    ("unreachable", {"a": HOLDS, "b": SILENT}, Summary.DEGRADED, "served by a; b: cannot reach b over ssh: no route"),
    ("nobody", {"a": WAITS, "b": WAITS}, Summary.FAILED,
     "nobody serves it; a: another host holds the volume and the role here is BACKUP"),
    ("leftovers", {"a": HOLDS, "b": WAITS | {"summary": "stuck", "lines": [BROKEN]}}, Summary.STUCK,
     "served by a; b: MOUNTPOINT: /srv: absent"),
    ("dark", {"a": WAITS, "b": SILENT}, Summary.UNKNOWN,
     "no host that answered holds it; b: cannot reach b over ssh: no route"),
    ("weak", {"a": HOLDS | {"summary": "degraded", "warnings": ["/run is full; df -h /run"]}, "b": WAITS}, Summary.DEGRADED,
     "served by a; /run is full; df -h /run"),
]  # fmt: skip


@pytest.mark.parametrize(("hosts", "word", "sentence"), [row[1:] for row in SITUATIONS], ids=[row[0] for row in SITUATIONS])
def test_one_word_and_the_sentence_that_matters(hosts: Hosts, word: Summary, sentence: str) -> None:
    assert judge(hosts) == Overall(word, sentence)


@pytest.mark.parametrize("hosts", [row[1] for row in SITUATIONS], ids=[row[0] for row in SITUATIONS])
def test_every_host_and_the_first_line_are_there(hosts: Hosts) -> None:
    lines = everything({"pg": hosts}, ["  a and b agree"])
    assert lines[0].startswith(f"{judge(hosts).word}: ")
    assert all(any(line.startswith(f"  {name}: ") for line in lines) for name in hosts)
    assert lines[-2:] == ["agreement", "  a and b agree"]


def test_the_first_line_is_of_the_worst_and_counts_the_rest() -> None:
    ok, weak, bad = Overall(Summary.OK, ""), Overall(Summary.DEGRADED, "weak"), Overall(Summary.FAILED, "gone")
    assert headline({"pg": ok, "nfs": ok}) == "ok: all 2 services are served, and another host can take over"
    assert headline({"pg": ok}) == "ok: the service is served, and another host can take over"
    assert headline({"pg": weak, "nfs": bad, "web": ok}) == "failed: nfs: gone (and 1 more below)"


def test_what_the_hosts_do_not_agree_on_comes_first_where_all_else_is_well() -> None:
    lines = everything({"pg": {"a": HOLDS, "b": WAITS}}, ["  ! /etc/exports differs; diff it"])
    assert lines[0] == "degraded: /etc/exports differs; diff it"


def test_a_holder_shows_all_that_it_has_and_a_standby_only_what_is_wrong() -> None:
    left = BROKEN | {"reason": "should not be here"}
    lines = everything({"pg": {"a": HOLDS, "b": WAITS | {"lines": [*WAITS["lines"], left]}}}, [])
    assert "    [OK] VOLUME: vol1" in lines
    assert "  here since noon" in lines
    assert "    [NOT OK] MOUNTPOINT: /srv  (should not be here)" in lines
    assert not any("[--]" in line for line in lines)


def test_a_word_of_a_later_release_is_unknown() -> None:
    assert judge({"a": HOLDS | {"summary": "glorious"}, "b": WAITS}).word is Summary.UNKNOWN
