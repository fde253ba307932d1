"""The codec and the dataclasses keep step with ridgeway.proto."""

import dataclasses
import types
import typing
from enum import IntEnum

import pytest
from google.protobuf.descriptor import FieldDescriptor

from ridgeway.proto import messages
from ridgeway.proto.codec import DESCRIPTOR, MalformedMessage, decode, encode

MESSAGES = sorted(DESCRIPTOR.message_types_by_name)
PYTHON_TYPES = {
    FieldDescriptor.TYPE_STRING: str,
    FieldDescriptor.TYPE_BYTES: bytes,
    FieldDescriptor.TYPE_UINT32: int,
    FieldDescriptor.TYPE_UINT64: int,
    FieldDescriptor.TYPE_INT64: int,
    FieldDescriptor.TYPE_DOUBLE: float,
    FieldDescriptor.TYPE_BOOL: bool,
}


def expected_type(field: FieldDescriptor) -> object:
    named = field.message_type or field.enum_type
    kind = getattr(messages, named.name) if named else PYTHON_TYPES[field.type]
    if field.is_repeated:
        return types.GenericAlias(tuple, (kind, ...))
    optional = field.containing_oneof is not None and field.containing_oneof.name == f"_{field.name}"
    return kind | None if field.message_type or optional else kind


@pytest.mark.parametrize("name", MESSAGES)
def test_each_dataclass_has_the_fields_of_its_message(name: str) -> None:
    kind = getattr(messages, name)
    hints = typing.get_type_hints(kind)
    declared = {field.name: hints[field.name] for field in dataclasses.fields(kind)}
    wire = {field.name: expected_type(field) for field in DESCRIPTOR.message_types_by_name[name].fields}
    assert declared == wire


def test_every_dataclass_is_a_message_of_the_wire() -> None:
    declared = {name for name, value in vars(messages).items() if dataclasses.is_dataclass(value)}
    assert declared == set(MESSAGES)


@pytest.mark.parametrize(
    ("kind", "prefix"),
    [
        (messages.MemberState, "MEMBER_STATE"),
        (messages.RoundKind, "ROUND_KIND"),
        (messages.PeerState, "PEER_STATE"),
        (messages.ProbeKind, "PROBE_KIND"),
    ],
)
def test_the_enum_numbers_are_the_wire_s(kind: type[IntEnum], prefix: str) -> None:
    wire = {value.name: value.number for value in DESCRIPTOR.enum_types_by_name[kind.__name__].values}
    assert {f"{prefix}_{member.name}": member.value for member in kind} == wire


def test_nested_messages_come_back_as_they_went() -> None:
    status = messages.FederationStatus(
        federation_id="f",
        ridge=0.01,
        members=(
            messages.MemberStatus(
                owner="clinic",
                state=messages.MemberState.ACTIVE,
                contributions=(messages.CommittedContribution("medical", 3, 1000, b"\x00" * 32, 17),),
            ),
        ),
        domains=(messages.DomainStatus("medical", 1000, ("clinic",), ()),),
    )
    assert decode(messages.FederationStatus, encode(status)) == status


@pytest.mark.parametrize(
    "step", [{"record": messages.SignedRecord(b"b", b"s")}, {"chunk": messages.PayloadChunk(0, b"")}]
)
def test_a_choice_keeps_which_was_chosen(step: dict[str, object]) -> None:
    request = messages.ContributeRequest(**step)  # type: ignore[arg-type]
    assert decode(messages.ContributeRequest, encode(request)) == request


@pytest.mark.parametrize("entry", [messages.BatchEntry(messages.Decision("law")), messages.BatchEntry(refusal="why")])
def test_a_choice_with_a_plain_member_keeps_which_was_chosen(entry: messages.BatchEntry) -> None:
    assert decode(messages.BatchEntry, encode(entry)) == entry


def test_bytes_that_are_no_message_are_refused() -> None:
    with pytest.raises(MalformedMessage, match="not a SignedRecord"):
        decode(messages.SignedRecord, b"\xff\xff\xff")


def test_an_unknown_member_state_is_refused() -> None:
    data = bytes([0x10, 99])
    with pytest.raises(MalformedMessage, match="compatible release"):
        decode(messages.MemberStatus, data)


def test_a_number_that_does_not_fit_is_refused() -> None:
    with pytest.raises(MalformedMessage, match="ContributionBody"):
        encode(messages.ContributionBody(sequence=-1))


def test_what_is_no_message_is_refused() -> None:
    with pytest.raises(TypeError, match="no message"):
        encode(types.SimpleNamespace())


def test_secrets_and_prompts_stay_out_of_reprs() -> None:
    shown = [
        repr(messages.Credential("f", "o", b"hush-hush")),
        repr(messages.RouteRequest("hush-hush")),
        repr(messages.RouteBatchRequest(("hush-hush",))),
        repr(messages.JoinRequest("hush-hush")),
        repr(messages.InviteResponse("hush-hush")),
    ]
    assert not [text for text in shown if "hush" in text]
