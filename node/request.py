"""What an owner asks of its node, checked as a whole before anything of it is done."""

from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from ridgeway.crypto.owner_name import check_domain_name
from ridgeway.embedders import BUILTIN
from ridgeway.errors import RidgewayError
from ridgeway.node.prompts import PromptSource, source_fingerprint
from ridgeway.node.prompts.source import STANDARD_INPUT
from ridgeway.node.statistics_file import DomainSums
from ridgeway.proto import messages as m


class BadJoinRequest(RidgewayError):
    """Domains or experts that do not fit together."""


def check_request(request: m.JoinRequest, known_domains: set[str]) -> None:
    """Check names, files and experts. Looks at the disk.

    Raises:
        BadName, BadJoinRequest, BadStatisticsFile, NoSuchPrompts: something of it cannot be done.
    """
    domains = [source.domain for source in request.sources]
    if len(set(domains)) < len(domains):
        raise BadJoinRequest("a domain is named twice; give each domain one --domain, whose path may be a directory")
    if [source.location for source in request.sources].count(STANDARD_INPUT) > 1:
        raise BadJoinRequest("only one domain can be read from standard input; name files for the others")
    if not 0.0 <= request.hold_out <= 0.5:
        raise BadJoinRequest(f"the share of prompts to hold out must lie between 0 and 0.5, not {request.hold_out}")
    for source in request.sources:
        check_domain_name(source.domain)
        if source.statistics:
            read_statistics(source)
        else:
            source_fingerprint(prompt_source(source))
    own = known_domains | set(domains)
    for expert in request.experts:
        if expert.domain not in own:
            raise BadJoinRequest(
                f"there is an expert for {expert.domain[:80]!r}, but no such domain; add --domain"
                f" {expert.domain[:80]}=PATH, or offer it as a --generalist"
            )
        _check_expert(expert)
    for generalist in request.generalists:
        check_domain_name(generalist.domain)
        if generalist.domain in own:
            raise BadJoinRequest(
                f"{generalist.domain} is a domain of this node; give the generalist another name, like general"
            )
        _check_expert(generalist)


def prompt_source(source: m.PromptSource) -> PromptSource:
    """The reader's form of what travelled."""
    return PromptSource(source.location, source.field or None, source.skip_bad)


def read_statistics(source: m.PromptSource) -> DomainSums:
    """The statistics that a source brings.

    Raises:
        BadStatisticsFile: there are none.
        BadJoinRequest: they are of another domain.
    """
    brought = DomainSums.read(Path(source.location))
    if brought.domain != source.domain:
        raise BadJoinRequest(
            f"{source.location} holds the statistics of {brought.domain[:80]!r}, not of {source.domain};"
            f" compute them with --domain {source.domain}, or join with --statistics {source.location}"
        )
    return brought


def with_absolute_paths(request: m.JoinRequest) -> m.JoinRequest:
    """The same for a process with another working directory."""
    folder = Path(request.embedder).expanduser()
    named = request.embedder in {"", BUILTIN} or not folder.exists()
    return replace(
        request,
        sources=tuple(
            source if source.location == STANDARD_INPUT else replace(source, location=_absolute(source.location))
            for source in request.sources
        ),
        embedder=request.embedder if named else str(folder.absolute()),
    )


def _absolute(location: str) -> str:
    return str(Path(location).expanduser().absolute())


def _check_expert(expert: m.Expert) -> None:
    try:
        parts = urlsplit(expert.url)
    except ValueError as error:
        raise BadJoinRequest(f"the expert for {expert.domain} has no well-formed URL; correct it") from error
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise BadJoinRequest(f"the expert for {expert.domain} needs an http or https URL, like http://host:8000/v1")
    if parts.username or parts.password:
        raise BadJoinRequest(
            f"the expert's URL for {expert.domain} holds a password, which every owner would see; remove it"
        )
