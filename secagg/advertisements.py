"""Advertisements: one owner's fresh keys for one round, signed by its identity key."""

from ridgeway.crypto.identity import IdentityKey, verify
from ridgeway.crypto.owner_name import check_domains
from ridgeway.errors import RidgewayError
from ridgeway.proto.codec import decode, encode
from ridgeway.proto.messages import Advertisement, AdvertisementBody
from ridgeway.secagg.terms import ADVERTISEMENT_SIGNATURE, ROUND_VERSION

_KEY_BYTES = 32


class WrongRound(RidgewayError):
    """A message of another round: a replay, or a mix-up."""


class MalformedAdvertisement(RidgewayError):
    """An advertisement that contradicts itself."""


def sign(key: IdentityKey, body: AdvertisementBody) -> Advertisement:
    """Sign an advertisement."""
    data = encode(body)
    return Advertisement(key.public_bytes, data, key.sign(ADVERTISEMENT_SIGNATURE, data))


def open_advertisement(advertisement: Advertisement, terms: bytes) -> AdvertisementBody:
    """Check an advertisement's signature, round and form, and return its body. Whose key it is, the roster says.

    Args:
        advertisement: as it came.
        terms: digest of the round's terms.

    Raises:
        BadSignature, MalformedMessage: it was not signed by the key that it names, or does not parse.
        WrongRound: it belongs to another round.
        MalformedAdvertisement: an unknown version, or keys of a wrong length.
        TooManyDomains, BadName: it names domains that no owner may have.
    """
    verify(advertisement.identity_public_key, ADVERTISEMENT_SIGNATURE, advertisement.body, advertisement.signature)
    body = decode(AdvertisementBody, advertisement.body)
    if body.format_version != ROUND_VERSION:
        raise MalformedAdvertisement(f"an advertisement has version {body.format_version}; upgrade the older side")
    if body.terms_digest != terms:
        raise WrongRound(f"{body.owner[:80]!r} advertises keys of another round; they may have been used before")
    if any(len(key) != _KEY_BYTES for key in (body.mask_key, body.sealing_key, body.seed_commitment)):
        raise MalformedAdvertisement(f"the keys of {body.owner[:80]!r} have a wrong length; it cannot take part")
    check_domains(body.domains)
    check_domains(body.remaining)
    return body
