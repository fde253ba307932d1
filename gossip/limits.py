"""Every bound of the protocol, with its reason: no peer can make another keep, send or compute without end."""

from ridgeway.crypto.payload_digest import CHUNK_BYTES

# The wire.
FRAME_VERSION = 1
# A chunk and its frame fit, with room for what rides along; a longer frame is refused unparsed.
FRAME_BYTES_MAX = CHUNK_BYTES + 256 * 1024
# A reader that is so far behind gets no more: two chunks in the pipe keep it full, the rest would only age.
SEND_QUEUE_BYTES_MAX = 4 * FRAME_BYTES_MAX
# memberlist packs news into one UDP packet of 1,400 bytes; that is about so many pieces.
UPDATES_MAX = 32
# A full exchange of views, of peers that are not simply alive.
SYNC_UPDATES_MAX = 2048

# Records.
# Certificate, address, chunk digests of 64 MiB: a record is far smaller, its payload travels beside it.
RECORD_BYTES_MAX = 64 * 1024
KEY_CHARACTERS_MAX = 256
# The head-room of the exact sum is 65,536 contributions; members and their other records come on top.
RECORDS_MAX = 1 << 18
# One member's share of them: two records for each of its domains, and its own.
RECORDS_PER_AUTHOR_MAX = 1024
# Fresh records on one digest: some twenty records without payload.
FRESH_BYTES_MAX = 16 * 1024
# Records of a peer's own that we await the payload of, shown to it: it may have forgotten them in a restore.
OWN_PENDING_MAX = 4
# Fresh records remembered as such; more come by reconciliation.
FRESH_MAX = 1024
# Records in one answer without being asked for by key: a few differences are settled in one step less.
PUSHED_BYTES_MAX = 32 * 1024
# Records in one answer to keys that were asked for.
RECORDS_BYTES_MAX = 256 * 1024
# Keys asked for in one frame, and summaries offered: about 64 KiB.
WANTS_MAX = 512
OFFERS_MAX = 512
# Places of the trie compared in one frame: 256 leaves or 64 branches, some 64 KiB; the rest follows with the next
# exchange.
PARTS_MAX = 256
# A leaf of the trie splits when it holds more.
LEAF_ENTRIES_MAX = 16
# The longest prefix: all nibbles of SHA-256.
PREFIX_MAX = 64
# A key that was asked of one peer is not asked of another for so long.
WANT_PATIENCE_S = 1.0
# Keys remembered as asked for.
WANTED_MAX = 4096
# Records that wait for the record of their author's membership, all together and in bytes.
WAITING_MAX = 1024
WAITING_BYTES_MAX = 4 << 20
# Digests of records that were found invalid once, so that they are refused without the work of judging them.
REFUSED_MAX = 4096

# Payloads.
# Records whose payload is awaited; each takes a kilobyte.
PENDING_MAX = 4096
# Payloads fetched at once, and chunks on their way: 16 MiB in memory at most. TCP that loses one packet in ten carries
# some 80 kB/s at 100 ms, so only many streams at once fill a line.
TRANSFERS_MAX = 32
CHUNKS_IN_FLIGHT_MAX = 32
# Of one peer, so that a slow one does not hold up the others.
CHUNKS_IN_FLIGHT_PER_PEER_MAX = 2
# Peers remembered as holding one payload.
SOURCES_MAX = 8
# A chunk is awaited for a second and its time at 0.5 Mbit/s, 9 s if it has 512 KiB; or, once its peer has sent chunks,
# for a second and twice the time at their pace; twice as long after four losses.
CHUNK_PATIENCE_S = 1.0
CHUNK_BYTES_PER_S = 64 * 1024
# A peer's pace rises at once and falls by so much of the difference with each chunk.
PACE_FALL = 0.125
# Chunks that did not come in time and may still come, remembered for the pace.
LATE_MAX = 64
CHUNK_TIMEOUT_MAX_S = 60.0
# A peer that said it does not hold a payload is not asked again for so long.
ABSENCE_S = 2.0
# A payload of which nobody has said for so long that he holds it is given up; its record comes again if somebody does.
HOPE_S = 60.0
# Chunks that one frame may ask for.
CHUNK_PLACES_MAX = 16

# Peers.
MEMBERS_MAX = 1 << 16
# Streams beyond the view, opened by others, before the oldest of ours goes.
LINKS_MAX_OVER_VIEW = 48
# Frames of one peer: an exchange takes some five a second of each side, reconciliation and chunks twenty more.
FRAMES_PER_S = 64.0
FRAMES_BURST = 512
# Chunks that one peer is served: 32 MiB a second.
CHUNKS_SERVED_PER_S = 64.0
CHUNKS_SERVED_BURST = 64
# An incarnation may be so much above the one known: a liar cannot use up the numbers of somebody that must refute it.
INCARNATION_STEP_MAX = 1 << 20
# Attempts to connect that one look at the streams starts.
DIALS_AT_ONCE = 16
# Indirect probes and their answers that are remembered.
PROBES_MAX = 256

# Penalties: the first offence costs the connection, each further one twice the time before; an hour bounds the harm of
# a mistake, and after ten minutes of good conduct an offence is forgotten.
IGNORE_FIRST_S = 10.0
IGNORE_MAX_S = 3600.0
FORGIVE_S = 600.0

# The clock. A process that was stopped, or a clock that jumped, counts as so much time at most: otherwise it would take
# everybody for dead because it did not listen.
STEP_MAX_S = 2.0
# Reports of differing sums that are remembered, and how many of one peer make a lasting difference.
DIVERGENCES_MAX = 256
DIVERGENCE_REPORTS = 3
