"""The bounds of a page's server, each with its reason."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is served at once, and how long anything may take.

    Attributes:
        connections: open at once. A page makes six of them; a dozen people, Prometheus and health checks stay below
            this. Each costs at most some hundred KB: buffers, one request, one answer.
        head_wait_s: until a request's head is here. It is one packet; what takes longer is a slow line or an attack.
        answer_wait_s: until a request's body is here and it is answered.
        body_bytes: of a request. A prompt of some ten pages; the page is for trying one, not for work.
        tries: prompts tried at once, two cores' worth. Routing itself has its own way in.
        watchers: pages that follow the document at once; each holds a connection.
        look_s: how often the document is made while anybody watches; it is made by a thread that has other work.
        heartbeat_s: a comment this often keeps proxies from ending a quiet stream, and finds readers that have gone.
        take_wait_s: a reader that does not take one document for this long is not looking.
        grace_s: for answers under way at the end.
    """

    connections: int = 256
    head_wait_s: float = 10.0
    answer_wait_s: float = 30.0
    body_bytes: int = 64 * 1024
    tries: int = 2
    watchers: int = 64
    look_s: float = 1.0
    heartbeat_s: float = 15.0
    take_wait_s: float = 20.0
    grace_s: float = 2.0
