"""Between the dataclasses of `messages` and the bytes of ridgeway.v1; the only module that sees the generated classes.

The two sides have the same names, so the codec walks the protobuf descriptors once and keeps each message's fields.
What protobuf itself accepts but a message forbids (a member state of a newer release) is refused here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from google.protobuf.descriptor import Descriptor, FileDescriptor
from google.protobuf.message import DecodeError, Message

from ridgeway.errors import RidgewayError
from ridgeway.proto import messages, ridgeway_pb2

M = TypeVar("M")

DESCRIPTOR: FileDescriptor = ridgeway_pb2.DESCRIPTOR


class MalformedMessage(RidgewayError):
    """Bytes that are not the message they should be."""


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    repeated: bool
    message: type[Any] | None
    enum: type[Any] | None
    optional: bool


def encode(message: object) -> bytes:
    """Serialise a dataclass of `messages`.

    Raises:
        TypeError: the object is no message of ridgeway.v1.
        MalformedMessage: a number or string that its field cannot hold.
    """
    try:
        return _to_generated(message).SerializeToString()
    except (ValueError, UnicodeEncodeError) as error:
        raise MalformedMessage(f"a value does not fit its field in {type(message).__name__}; check it") from error


def decode(kind: type[M], data: bytes) -> M:
    """Parse bytes into a dataclass of `messages`; unknown fields are ignored, as protobuf's evolution wants it.

    Raises:
        MalformedMessage: the bytes do not parse as this message.
    """
    generated = _generated(kind)()
    try:
        generated.ParseFromString(data)
        return _from_generated(kind, generated)
    except (DecodeError, ValueError) as error:
        raise MalformedMessage(
            f"these bytes are not a {kind.__name__} of ridgeway.v1; check that both sides run a compatible release"
        ) from error


def encoder(kind: type[M]) -> Callable[[M], bytes]:
    """The serialiser that gRPC wants for one message type."""
    _generated(kind)
    return encode


def decoder(kind: type[M]) -> Callable[[bytes], M]:
    """The deserialiser that gRPC wants for one message type."""
    _generated(kind)
    return lambda data: decode(kind, data)


def _fields_of(descriptor: Descriptor) -> tuple[_Field, ...]:
    return tuple(
        _Field(
            name=field.name,
            repeated=field.is_repeated,
            message=getattr(messages, field.message_type.name) if field.message_type else None,
            enum=getattr(messages, field.enum_type.name) if field.enum_type else None,
            # Of an `optional` number protobuf makes a choice with one member, whose name begins so.
            optional=field.containing_oneof is not None and field.containing_oneof.name.startswith("_"),
        )
        for field in descriptor.fields
    )


_GENERATED: dict[type[Any], Callable[[], Message]] = {
    getattr(messages, name): getattr(ridgeway_pb2, name) for name in DESCRIPTOR.message_types_by_name
}
_FIELDS: dict[type[Any], tuple[_Field, ...]] = {
    getattr(messages, name): _fields_of(descriptor) for name, descriptor in DESCRIPTOR.message_types_by_name.items()
}


def _generated(kind: type[Any]) -> Callable[[], Message]:
    if kind not in _GENERATED:
        raise TypeError(f"{kind.__name__} is no message of ridgeway.v1")
    return _GENERATED[kind]


def _to_generated(message: object) -> Message:
    generated = _generated(type(message))()
    _fill(generated, message)
    return generated


def _fill(generated: Message, message: object) -> None:
    """Write a dataclass into a message in place: a payload's bytes are copied once, however deep they lie."""
    for field in _FIELDS[type(message)]:
        value = getattr(message, field.name)
        if field.repeated:
            items = map(_to_generated, value) if field.message else value
            getattr(generated, field.name).extend(items)
        elif field.message is not None:
            if value is not None:
                inner = getattr(generated, field.name)
                inner.SetInParent()
                _fill(inner, value)
        elif field.optional:
            if value is not None:
                setattr(generated, field.name, value)
        elif value:
            # A default is never written, and writing one into a choice would undo the member that was chosen.
            setattr(generated, field.name, value)


def _from_generated(kind: type[M], generated: Message) -> M:
    values: dict[str, Any] = {}
    for field in _FIELDS[kind]:
        value = getattr(generated, field.name)
        message = field.message
        if field.repeated:
            values[field.name] = tuple(_from_generated(message, item) for item in value) if message else tuple(value)
        elif message is not None:
            values[field.name] = _from_generated(message, value) if generated.HasField(field.name) else None
        elif field.enum is not None:
            values[field.name] = field.enum(value)
        elif field.optional:
            values[field.name] = value if generated.HasField(field.name) else None
        else:
            values[field.name] = value
    return kind(**values)
