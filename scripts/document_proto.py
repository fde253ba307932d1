"""Write docs/reference/proto.md from the comments of proto/*.proto, or with --check fail if it is stale.

It needs grpcio-tools, like scripts/generate_stubs.py; scripts/check_stubs runs both.
"""

import re
import sys
import tempfile
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from generated_page import table, write_or_check
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
    ServiceDescriptorProto,
    SourceCodeInfo,
)
from grpc_tools import protoc

ROOT = Path(__file__).parents[1]
# Fields of FileDescriptorProto and of its parts, by which comments are found (descriptor.proto).
MESSAGE, ENUM, SERVICE, SYNTAX, PART = 4, 5, 6, 12, 2
Place = tuple[int, ...]


@dataclass(frozen=True)
class Comments:
    """The comments of a file by the place of what they are about."""

    places: dict[Place, SourceCodeInfo.Location]

    def about(self, place: Place) -> str:
        """The comment before a thing, or else the one behind it, as one paragraph."""
        location = self.places[place]
        return _joined(location.leading_comments or location.trailing_comments)

    def section(self, place: Place) -> str:
        """The comment that begins a section before a thing: what stands below its line of dashes."""
        apart = "".join(self.places[place].leading_detached_comments)
        return _joined("\n".join(line for line in apart.splitlines() if set(line.strip()) != {"-"}))

    def line(self, place: Place) -> int:
        """Where a thing stands."""
        return self.places[place].span[0]


def _joined(comment: str) -> str:
    return " ".join(comment.split())


def parsed() -> list[FileDescriptorProto]:
    """All files of proto/, with their comments."""
    names = sorted(f"ridgeway/proto/{path.name}" for path in (ROOT / "proto").glob("*.proto"))
    include = resources.files("grpc_tools") / "_proto"
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "descriptors"
        arguments = ["protoc", f"-Iridgeway/proto={ROOT / 'proto'}", f"-I{include}"]
        if protoc.main([*arguments, "--include_source_info", f"--descriptor_set_out={out}", *names]) != 0:
            sys.exit("protoc failed; its message stands above")
        return list(FileDescriptorSet.FromString(out.read_bytes()).file)


def page() -> str:
    """The whole page."""
    parts = ["# The wire: proto", "Written by `python scripts/document_proto.py` from the comments of `proto/*.proto`."]
    for file in parsed():
        parts += file_parts(file)
    return "\n\n".join(parts) + "\n"


def file_parts(file: FileDescriptorProto) -> list[str]:
    """A file's services, messages and enumerations in their order, under the sections that its comments make."""
    comments = Comments({tuple(location.path): location for location in file.source_code_info.location})
    things: list[tuple[Place, ServiceDescriptorProto | DescriptorProto | EnumDescriptorProto]] = []
    things += [((SERVICE, number), service) for number, service in enumerate(file.service)]
    things += [((MESSAGE, number), message) for number, message in enumerate(file.message_type)]
    things += [((ENUM, number), enumeration) for number, enumeration in enumerate(file.enum_type)]
    parts = [f"Package `{file.package}`, `{Path(file.name).name}`.", comments.about((SYNTAX,))]
    for place, thing in sorted(things, key=lambda found: comments.line(found[0])):
        title = ""
        if section := comments.section(place):
            title = re.split(r": | \(|\.", section)[0]
            parts += [f"## {title}", section.removeprefix(f"{title}: ")]
        # A service has its section's heading.
        parts += [] if thing.name == title else [f"### {thing.name}"]
        parts += [*filter(None, [comments.about(place)]), *thing_table(thing, place, comments)]
    return parts


def thing_table(
    thing: ServiceDescriptorProto | DescriptorProto | EnumDescriptorProto, place: Place, comments: Comments
) -> list[str]:
    """The table of what a thing consists of; none for an empty message."""
    if isinstance(thing, ServiceDescriptorProto):
        calls = [
            (f"`{m.name}`", _call(m.input_type, m.client_streaming), _call(m.output_type, m.server_streaming))
            for m in thing.method
        ]
        about = [comments.about((*place, PART, number)) for number in range(len(calls))]
        return [
            table(("call", "sends", "answers", "meaning"), [(*call, a) for call, a in zip(calls, about, strict=True)])
        ]
    if isinstance(thing, EnumDescriptorProto):
        values = [(str(v.number), f"`{v.name}`", comments.about((*place, PART, n))) for n, v in enumerate(thing.value)]
        return [table(("number", "value", "meaning"), values)]
    fields = [
        (str(f.number), f"`{f.name}`", _type(thing, f), comments.about((*place, PART, n)))
        for n, f in enumerate(thing.field)
    ]
    return [table(("number", "field", "type", "meaning"), fields)] if fields else ["It is empty."]


def _call(message: str, streams: bool) -> str:
    return ("stream of " if streams else "") + _link(message)


def _type(message: DescriptorProto, field: FieldDescriptorProto) -> str:
    kind = _link(field.type_name) if field.type_name else FieldDescriptorProto.Type.Name(field.type)[5:].lower()
    if field.label == FieldDescriptorProto.LABEL_REPEATED:
        return f"repeated {kind}"
    if field.proto3_optional:
        return f"optional {kind}"
    return f"{kind}, one of `{message.oneof_decl[field.oneof_index].name}`" if field.HasField("oneof_index") else kind


def _link(full_name: str) -> str:
    name = full_name.rpartition(".")[2]
    return f"[{name}](#{name.lower()})"


if __name__ == "__main__":
    write_or_check("reference/proto.md", page, __doc__)
