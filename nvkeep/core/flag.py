"""The flag that keepalived tracks: 1 while this host may have the role, else 0 with the reason that status prints."""

import logging
from dataclasses import replace

from nvkeep import log
from nvkeep.checks import readiness
from nvkeep.core.observe import Observation
from nvkeep.core.scope import Scope
from nvkeep.errors import ProbeError
from nvkeep.model.decision import Action, Holder, Verdict
from nvkeep.model.eligibility import Reasons, eligible
from nvkeep.model.finding import Finding, FindingCode, brief
from nvkeep.model.report import Outcome, Word
from nvkeep.model.role import Role
from nvkeep.model.timers import UNSEEN_LIMIT_S
from nvkeep.reconcilers import UNIT

ANSWERED_LIMIT_S = 30.0  # for which an address that somebody answers for keeps this host from the role
SPLIT = (
    "another host serves, although keepalived does not hear it (split); its adverts (IP protocol 112) have to come through:"
    " nft list ruleset; tcpdump -ni any vrrp"
)


def set_flag(
    scope: Scope, verdict: Verdict, observation: Observation, outcomes: tuple[Outcome, ...], *, deaf: bool, tied: bool
) -> tuple[bool, str]:
    """Write the flag; return whether this host may have the role, and if not, why not."""
    witness = observation.facts.witness or unplugged(scope, observation)
    facts = replace(observation.facts, cooling=scope.cooling(), witness=witness)
    yielding = scope.host.now() < scope.store.timers().yield_until
    beside = Reasons(
        outdated=next(iter(observation.problems), ""),
        yielding=SPLIT if yielding else "",
        tie_break="this host and another are both master, each on some of the networks; this one steps back once"
        if tied
        else "",
        deaf="a volume was taken from this host; it listens again soon" if deaf else "",
        unseen=_unseen(scope, outcomes),
    )
    up, why = eligible(facts, beside)
    if up:  # last: nobody waits for it whose flag is 0 anyway, as after a release
        up, why = eligible(facts, beside._replace(unready=unready_because(scope, observation)))
    scope.store.save_flag(up=up or _stopping(scope, verdict, observation, outcomes))
    return up, why


def unready_because(scope: Scope, observation: Observation) -> str:
    """Say what keeps this host from serving, and log it once; who serves stays, and only `nvkeep status` asks there."""
    holds = scope.store.claimed() or observation.facts.holder is Holder.ME
    why = "" if holds else brief(_lasting(scope, unready(scope, observation)))
    if why and why != scope.store.report().get("eligible_why"):
        log.note(f"{scope.service}: this host is not ready to serve: {why}", logging.WARNING, service=scope.service)
    return why


def _lasting(scope: Scope, findings: list[Finding]) -> list[Finding]:
    """Leave out that somebody answers for an address, once that has lasted: a router or a switch may answer for all of them."""
    answered = any(finding.code is FindingCode.ANSWERED for finding in findings)
    timers, now = scope.store.timers(), scope.host.now()
    since = (timers.answered_since or now) if answered else 0.0
    if since != timers.answered_since:
        scope.store.save_timers(replace(timers, answered_since=since))
    over = answered and now - since >= ANSWERED_LIMIT_S
    return [finding for finding in findings if not (over and finding.code is FindingCode.ANSWERED)]


def _unseen(scope: Scope, outcomes: tuple[Outcome, ...]) -> str:
    """Say that this host holds, and cannot tell any more whether the service stands: another host can ask it."""
    stood, now = scope.store.timers().stood_at, scope.host.now()
    unknown = next((outcome for outcome in outcomes if outcome.word is Word.UNKNOWN), None)
    if not unknown or not scope.store.claimed() or not stood or now - stood < UNSEEN_LIMIT_S:
        return ""
    return f"{unknown.key} could not be determined for {now - stood:.0f} s: {unknown.reason}"


def unplugged(scope: Scope, observation: Observation) -> bool:
    """Return whether this host serves and has just lost the carrier: the flag stays until it has released, in order."""
    return scope.store.claimed() and observation.facts.carrier and observation.carrier_lost_since > 0


def _stopping(scope: Scope, verdict: Verdict, observation: Observation, outcomes: tuple[Outcome, ...]) -> bool:
    """Return whether a host that has to release is stopping a unit: the flag stays meanwhile, so that nobody seizes."""
    stopping = any(outcome.word is Word.CONVERGING and outcome.key.startswith(f"{UNIT.name} ") for outcome in outcomes)
    # A move turns round where something is not released.
    stopping |= scope.timestamps.moving() and scope.store.claimed()
    return verdict.action is Action.RELEASE and observation.facts.carrier and stopping and scope.store.flag()


def unready(scope: Scope, observation: Observation) -> list[Finding]:
    """Name what a pass sees unmet of the preconditions of serving, at little cost."""
    facts = observation.facts
    untaken = facts.role not in (Role.MASTER, Role.CANDIDATE) and not scope.store.claimed()
    free = facts.holder is Holder.NOBODY and untaken
    # There may be no keepalived; or a warning says already what is wrong with it.
    by_hand = bool(observation.problems) or _by_hand(scope)
    return readiness.quick(scope.host, scope.cluster, scope.resources, free=free, by_hand=by_hand)


def _by_hand(scope: Scope) -> bool:
    try:
        return scope.store.manual_role() is not None
    except ProbeError:  # the pass itself reports it
        return True
