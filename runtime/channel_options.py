"""gRPC settings that both ends must agree on, in one place, each with its reason."""

from typing import Final

# Payloads travel in 512 KiB chunks, so nothing larger is ever legitimate; a batch of prompts has to fit too.
MESSAGE_BYTES_MAX: Final = 4 * 1024 * 1024
# A dead peer is noticed within 30 s, which is also how long a NAT can be trusted to keep a quiet connection.
KEEPALIVE_MS: Final = 20_000
KEEPALIVE_TIMEOUT_MS: Final = 10_000
# A server must allow pings a little faster than clients send them, else it answers GOAWAY too_many_pings.
PING_INTERVAL_ALLOWED_MS: Final = 10_000
# One owner has one feed, a few uploads and a call now and then on a connection.
STREAMS_PER_CONNECTION: Final = 64
# A node has one connection, and while it renews its certificate two; each takes a file descriptor and some 50 kB.
CONNECTIONS_MAX: Final = 8192
# A handshake takes some milliseconds and a round trip or two. One that stalls holds a connection.
HANDSHAKE_MS: Final = 10_000
# A node has a stream open as long as it runs, so a connection without any was forgotten, or is meant to take up room.
IDLE_MS: Final = 300_000
# Who enrols makes two calls and goes. Anybody may connect there.
ENROLMENT_IDLE_MS: Final = 30_000
# Bytes that a stream may be ahead of its reader: 10 MB/s at a round trip of 100 ms.
WINDOW_BYTES: Final = 1024 * 1024
# Failed connections are retried by Ridgeway's own backoff; gRPC's must not be slower than that.
RECONNECT_MS: Final = 1_000

_BOTH: Final = [
    ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
    ("grpc.max_send_message_length", MESSAGE_BYTES_MAX),
    ("grpc.keepalive_time_ms", KEEPALIVE_MS),
    ("grpc.keepalive_timeout_ms", KEEPALIVE_TIMEOUT_MS),
    # By itself the option above closes nothing in some releases: a ping is waited for a minute then.
    ("grpc.http2.ping_timeout_ms", KEEPALIVE_TIMEOUT_MS),
    ("grpc.http2.max_pings_without_data", 0),
]


def server_options(idle_ms: int = IDLE_MS) -> list[tuple[str, int]]:
    """Options of every server; a connection without a call for `idle_ms` is closed."""
    return [
        *_BOTH,
        ("grpc.max_concurrent_streams", STREAMS_PER_CONNECTION),
        ("grpc.max_allowed_incoming_connections", CONNECTIONS_MAX),
        ("grpc.server_handshake_timeout_ms", HANDSHAKE_MS),
        ("grpc.max_connection_idle_ms", idle_ms),
        # Otherwise each upload's window grows with the link, and memory with every owner that sends at once.
        ("grpc.http2.bdp_probe", 0),
        ("grpc.http2.lookahead_bytes", WINDOW_BYTES),
        ("grpc.http2.min_ping_interval_without_data_ms", PING_INTERVAL_ALLOWED_MS),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.so_reuseport", 0),
    ]


def channel_options(server_name: str | None = None) -> list[tuple[str, int | str]]:
    """Options of every channel; `server_name` is the name that the server's certificate must carry."""
    options: list[tuple[str, int | str]] = [
        *_BOTH,
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.initial_reconnect_backoff_ms", RECONNECT_MS // 4),
        ("grpc.max_reconnect_backoff_ms", RECONNECT_MS),
        # Channels to the same address with different certificates must not share a connection.
        ("grpc.use_local_subchannel_pool", 1),
    ]
    if server_name is not None:
        options += [("grpc.ssl_target_name_override", server_name), ("grpc.default_authority", server_name)]
    return options
