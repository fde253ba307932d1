"""The pages are complete, current and whole: they build, name what exists, and take nothing from elsewhere."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import document_options
import pytest
from google.protobuf.descriptor import Descriptor, EnumDescriptor
from markdown_it import MarkdownIt
from markdown_it.token import Token
from site_building import DOCS, build_site

from ridgeway.cli.main import ridgeway
from ridgeway.proto import ridgeway_pb2

ROOT = DOCS.parent
README = ROOT / "README.md"
PAGES = [README, ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))]
ASSIGNMENTS = re.compile(r"^(\w+=\S* +)*(?=ridgeway )")
FROM_ELSEWHERE = re.compile(r"(?:\bsrc=|<link\b[^>]*\bhref=|url\(|@import )\s*[\"']?(?:https?:)?//[^\"')\s>]+")
PROTO = ROOT / "proto" / "ridgeway.proto"


def tokens(page: Path) -> Iterator[Token]:
    for token in MarkdownIt().enable("table").parse(page.read_text()):
        yield token
        yield from token.children or []


def commands(page: Path) -> Iterator[str]:
    """Every command line of ours on a page, in a block of code or within a sentence."""
    for token in tokens(page):
        if token.type in {"fence", "code_block", "code_inline"}:
            for line in token.content.replace("\\\n", " ").splitlines():
                if found := ASSIGNMENTS.match(line.strip()):
                    # A sentence may name an option without its value.
                    yield line.strip()[found.end() :] + (" VALUE" if token.type == "code_inline" else "")


def words(line: str) -> list[str]:
    """The arguments of a command, up to what is the shell's."""
    parts = shlex.shlex(line, posix=True, punctuation_chars=True)
    parts.whitespace_split, parts.commenters = True, ""
    kept: list[str] = []
    for part in parts:
        if part.startswith("#") or set(part) <= set("();<>|&"):
            break
        kept.append(part)
    return kept[1:]


def check_command(arguments: list[str], page: Path) -> None:
    context = click.Context(ridgeway, info_name="ridgeway")
    try:
        _, rest, _ = ridgeway.make_parser(context).parse_args(list(arguments))
        command = ridgeway.commands[rest[0]] if rest[:1] not in ([], ["VALUE"]) else None
        if command is not None:
            command.make_parser(click.Context(command, parent=context)).parse_args(rest[1:])
    except (click.UsageError, KeyError) as error:
        pytest.fail(f"{page.relative_to(ROOT)} has `ridgeway {' '.join(arguments)}`: {error}")


def test_every_command_line_on_a_page_is_one_that_exists() -> None:
    found = [(page, line) for page in PAGES for line in commands(page)]
    assert len(found) > 60
    for page, line in found:
        check_command(words(line), page)


def test_the_readme_fits_on_two_screens_and_begins_with_the_two_commands() -> None:
    lines = README.read_text().splitlines()
    assert len(lines) <= 95
    blocks = [token.content.strip() for token in tokens(README) if token.type == "code_block"]
    assert blocks[:2] == ["./scripts/demo", "./scripts/test"]


@pytest.mark.parametrize("page", [README, ROOT / "CONTRIBUTING.md"], ids=lambda page: page.name)
def test_links_of_the_pages_beside_the_site_lead_somewhere(page: Path) -> None:
    links = [str(token.attrs["href"]) for token in tokens(page) if token.type == "link_open"]
    inside = [link.partition("#")[0] for link in links if "://" not in link]
    assert inside
    assert [link for link in inside if not (ROOT / link).exists()] == []


def test_the_page_of_options_is_current() -> None:
    assert (DOCS / "reference" / "options.md").read_text() == document_options.page(), "run scripts/document_options.py"


def test_the_page_of_the_wire_has_every_field_and_every_comment() -> None:
    page = (DOCS / "reference" / "proto.md").read_text()
    sections = dict(re.findall(r"^##+ (\w+)\n(.*?)(?=^##+ |\Z)", page, re.MULTILINE | re.DOTALL))
    rows = {name: re.findall(r"^\| (\d+|`\w+`) \| (?:`(\w+)`)?", text, re.MULTILINE) for name, text in sections.items()}
    described: list[Descriptor | EnumDescriptor] = list(ridgeway_pb2.DESCRIPTOR.message_types_by_name.values())
    described += ridgeway_pb2.DESCRIPTOR.enum_types_by_name.values()
    for thing in described:
        parts = thing.values if isinstance(thing, EnumDescriptor) else thing.fields
        assert rows[thing.name] == [(str(part.number), part.name) for part in parts], thing.name
    for service in ridgeway_pb2.DESCRIPTOR.services_by_name.values():
        assert [call for call, _ in rows[service.name]] == [f"`{method.name}`" for method in service.methods]
    assert [line for line in comments(PROTO.read_text()) if line not in plain(page)] == []


def comments(proto: str) -> list[str]:
    found = [plain(text) for text in re.findall(r"//(.*)", proto)]
    assert len(found) > 100
    return [line for line in found if line and set(line) != {"-"}]


def plain(text: str) -> str:
    """Words in their order, so that neither line ends nor a heading made of a comment's beginning count."""
    return " ".join(text.replace("\\|", "|").replace(": ", " ").split())


def test_the_site_builds_without_a_warning_and_takes_nothing_from_elsewhere(tmp_path: Path) -> None:
    site = build_site(tmp_path)
    made = [path for path in site.rglob("*") if path.suffix in {".html", ".css"}]
    assert len(made) > 15
    fetched = {match for path in made for match in FROM_ELSEWHERE.findall(path.read_text())}
    assert fetched == set()
