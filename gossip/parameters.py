"""The protocol's parameters, with the names and, unless a reason stands beside them, the LAN defaults of
hashicorp/memberlist (config.go, DefaultLANConfig)."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Parameters:
    """Times are in seconds.

    Attributes:
        push_pull_interval_s: between exchanges of digests. memberlist: 30, since there all state travels each time;
            here digests travel first, so an exchange without a difference costs a few hundred bytes.
        push_pull_nodes: so many random live peers each time; the fan-out.
        probe_interval_s: between probes, each of the next peers of a shuffled ring.
        probe_nodes: so many of them. memberlist: 1; with 2 a dead one of 100 peers is found a second sooner in the
            worst case, for some 400 bytes a second.
        probe_timeout_s: until a direct probe counts as unanswered and others are asked to probe; while the probe
            lasts others are asked again after twice as long, four times, ...
        probe_repeat_s: between repetitions of a direct probe that is not answered.
        probe_repeats: so many of them at most. memberlist: none; so half of all messages may be lost and yet few who
            live are suspected.
        nack_timeout_s: until one of them says that it got no answer either. memberlist: the probe's timeout, 0.5; a
            nack that comes after the verdict would say nothing.
        indirect_checks: so many others.
        suspicion_checks: so many of those who hear of a suspicion look for themselves at once (on average). memberlist:
            none, its ring comes round; here the second accuser, who shortens the suspicion, is found within a second.
        suspicion_mult: the shortest suspicion lasts suspicion_mult * max(1, log10(N)) * probe_interval_s. memberlist:
            4; with 3 a dead one of 100 peers is known within 10 s.
        suspicion_max_timeout_mult: and the longest so many times as long; independent accusers shorten it
            (Lifeguard).
        awareness_max_multiplier: the local health multiplier stays below this (Lifeguard).
        gossip_interval_s: between frames that only carry news of peers, while there is news.
        gossip_nodes: so many random peers each time.
        retransmit_mult: a piece of news rides on retransmit_mult * ceil(log10(N + 1)) frames.
        record_retransmit_mult: and so a fresh record, on frames to peers that are not known to hold it. memberlist: 4;
            who holds it shows that by its root, so that more cost nothing unless frames are lost.
        sync_interval_s: at least so long between full exchanges of what is believed of peers (memberlist's
            PushPullInterval), which happen only while the views differ.
        dial_timeout_s: until an attempt to connect has failed. memberlist: TCPTimeout, 10.
        view: so many streams a peer keeps open, to random members; in a smaller federation one to every member.
        view_rotation_s: between replacements of one of these by another random member.
        divergence_s: two sums over the same records must differ for so long before that is a fault.
    """

    push_pull_interval_s: float = 1.0
    push_pull_nodes: int = 3
    probe_interval_s: float = 1.0
    probe_nodes: int = 2
    probe_timeout_s: float = 0.5
    probe_repeat_s: float = 0.2
    probe_repeats: int = 8
    nack_timeout_s: float = 0.3
    indirect_checks: int = 3
    suspicion_checks: int = 3
    suspicion_mult: float = 3.0
    suspicion_max_timeout_mult: float = 6.0
    awareness_max_multiplier: int = 8
    gossip_interval_s: float = 0.2
    gossip_nodes: int = 3
    retransmit_mult: int = 4
    record_retransmit_mult: int = 12
    sync_interval_s: float = 30.0
    dial_timeout_s: float = 10.0
    view: int = 48
    view_rotation_s: float = 30.0
    divergence_s: float = 3.0


LAN = Parameters()
