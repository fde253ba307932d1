"""An expert between the core's value and the message that carries it."""

from ridgeway.proto import messages as m
from ridgeway.router import Expert


def expert_message(expert: Expert) -> m.Expert:
    """An expert as it travels."""
    return m.Expert(expert.owner, expert.domain, expert.url, expert.model, expert.price, expert.latency_ms)


def expert_of(message: m.Expert) -> Expert:
    """An expert as it came."""
    return Expert(message.owner, message.domain, message.url, message.model, message.price, message.latency_ms)
