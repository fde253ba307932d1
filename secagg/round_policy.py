"""Which round may start, with whom, and what the owners wait for otherwise (DESIGN section 6).

A round is worth nothing to an onlooker only if its sum hides every single owner: at least `min_cohort` owners must
differ between the sum before and the sum after. One owner's join, change, leave or eviction waits for others'.
"""

from collections.abc import Mapping, Set
from dataclasses import dataclass

from ridgeway.proto.messages import Intention, RoundKind

# Idle members are asked to take part with zeros until a cohort has so many: more must then collude to open a mask.
COVER_COHORT = 8
# Changes that come within moments of each other go into one round.
GATHER_S = 1.0
# How long a full round waits for members of the sum that are away; after that they fall out until they are back.
ABSENT_S = 60.0


@dataclass(frozen=True, slots=True)
class Roll:
    """Who is there and who is in the sum.

    Attributes:
        connected: the intentions of those who are there.
        in_sum: owners of whom something is in the sum.
        evicted: those of them who are members no more.
        trial_version: the newest router, if a trial of it is wanted; 0 otherwise.
        quiet_s: since the last intention came.
        full_due_s: since a full round is due.
        exposed_s: since an opened round came to nothing.
    """

    connected: Mapping[str, Intention]
    in_sum: Set[str]
    evicted: Set[str]
    trial_version: int
    quiet_s: float
    full_due_s: float
    exposed_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Start:
    """Start a round of this kind with these owners."""

    kind: RoundKind
    invited: frozenset[str]


@dataclass(frozen=True, slots=True)
class Wait:
    """Start nothing yet.

    Attributes:
        why: for the owners who wait; empty if nobody does.
        look_again_s: when time alone may change the decision; None if it cannot.
    """

    why: str = ""
    look_again_s: float | None = None


def decide(roll: Roll, min_cohort: int) -> Start | Wait:
    """What to do now."""
    again = _again(roll)
    if again is not None:
        return again
    changed = {owner for owner, intention in roll.connected.items() if intention.domains or intention.out_of_step}
    lost = {owner for owner, intention in roll.connected.items() if intention.out_of_step}
    if lost or roll.evicted:
        return _full(roll, changed, min_cohort)
    if changed:
        if len(changed) < min_cohort:
            return Wait(_too_few(len(changed), min_cohort))
        if roll.quiet_s < GATHER_S:
            return Wait(look_again_s=GATHER_S - roll.quiet_s)
        idle = sorted(roll.connected.keys() - changed)[: max(0, COVER_COHORT - len(changed))]
        return Start(RoundKind.INCREMENTAL, frozenset(changed | set(idle)))
    return _trial(roll, min_cohort)


def _again(roll: Roll) -> Start | Wait | None:
    """A round that came to nothing after shares were revealed may have been opened: the same owners try it again.

    With others the difference of both sums could give somebody away, so its members would refuse. After a while the
    rest goes on: nobody can hold up all others by what it says.
    """
    exposed = [intention for intention in roll.connected.values() if intention.exposed and _can_repeat(intention)]
    if not exposed or roll.exposed_s >= ABSENT_S:
        return None
    first = exposed[0]
    away = set(first.exposed) - roll.connected.keys()
    if away:
        why = f"a round has to be run again with {', '.join(sorted(away)[:3])}, or with several others"
        return Wait(why, look_again_s=ABSENT_S - roll.exposed_s)
    return Start(first.exposed_kind, frozenset(first.exposed))


def _can_repeat(intention: Intention) -> bool:
    """Whether a node can bring again what it brought: not a change of a part that it no longer knows."""
    return not intention.out_of_step or intention.exposed_kind is RoundKind.FULL


def _full(roll: Roll, changed: set[str], min_cohort: int) -> Start | Wait:
    absent = roll.in_sum - roll.connected.keys() - roll.evicted
    differing = changed | roll.evicted | absent
    present = roll.connected.keys()
    reason = f"a full round is due ({_reasons(roll)})"
    if len(changed | roll.evicted) < min_cohort and (not absent or len(differing) < min_cohort):
        return Wait(f"{reason}, and {_too_few(len(changed | roll.evicted), min_cohort)}")
    if len(present) < min_cohort:
        return Wait(f"{reason}; {len(present)} members are connected, {min_cohort} must be")
    if absent and roll.full_due_s < ABSENT_S:
        away = ", ".join(sorted(absent)[:3])
        return Wait(f"{reason}; it waits a moment for {away}", look_again_s=ABSENT_S - roll.full_due_s)
    if roll.quiet_s < GATHER_S:
        return Wait(reason, look_again_s=GATHER_S - roll.quiet_s)
    return Start(RoundKind.FULL, frozenset(present))


def _trial(roll: Roll, min_cohort: int) -> Start | Wait:
    ready = {
        owner
        for owner, intention in roll.connected.items()
        if roll.trial_version and intention.trial_version == roll.trial_version
    }
    if len(ready) < min_cohort:
        return Wait()
    if roll.quiet_s < GATHER_S:
        return Wait(look_again_s=GATHER_S - roll.quiet_s)
    return Start(RoundKind.TRIAL, frozenset(ready))


def _too_few(changed: int, min_cohort: int) -> str:
    missing = min_cohort - changed
    return (
        f"{changed} of the {min_cohort} owners that a round needs have a change; "
        f"it waits for {missing} more to join, change or leave"
    )


def _reasons(roll: Roll) -> str:
    reasons = [f"to take out {owner}" for owner in sorted(roll.evicted)[:3]]
    reasons += [
        f"{owner} no longer knows its part" for owner, intention in roll.connected.items() if intention.out_of_step
    ][:3]
    return ", ".join(reasons)
