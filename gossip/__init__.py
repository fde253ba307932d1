"""Gossip between peers: every member comes to hold the same set of signed records, whatever the network does.

State is a map from keys to the latest signed record of each, merged by (sequence, digest), a join-semilattice: order,
loss, repetition and partitions do not matter (docs/gossip.md has the invariant and the protocol). Pure: no network, no
clock, no file; time, randomness and every event come from the caller, what is to be done goes back as data.

How a shell drives it::

    peer = Peer(name, judge=trust.judge, draw=random.SystemRandom(), restored=Restored(...from the store...))
    effects = peer.handle(MembersKnown({...}), now_s)          # and whenever membership records change it
    while running:
        event = next event of the network, the store, the sum or the owner, or Tick() when now_s >= peer.wake_at_s
        for effect in peer.handle(event, now_s):
            perform(effect)                                    # IN ORDER, each done before the next

`now_s` is any monotonic clock in seconds. `handle` must not be called by two threads at once, and the effects of one
event are performed before the next event is handled. If `Persist` or `CompletePayload` cannot be performed (the disk is
full), stop: do nothing more of these effects and build the peer again from the store; what follows in the list would
tell others of records that are not durable.

What the shell does for each effect stands at its class in `effects`; what it reports, in `events`. The trust layer
judges records through `judging.Judge`. Payloads never pass through the machine's memory but for the chunk that just
came; they lie with the shell, by content hash (`crypto.payload_digest.payload_digest`).
"""
