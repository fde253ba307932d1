"""What the cryptography library raises on bytes that are no key, certificate or request."""

from cryptography import x509
from cryptography.exceptions import InternalError, InvalidSignature, UnsupportedAlgorithm

# Most of it derives from Exception alone; each was found by a fuzzer.
UNREADABLE = (
    ValueError,
    TypeError,
    InternalError,
    InvalidSignature,
    UnsupportedAlgorithm,
    x509.AttributeNotFound,
    x509.DuplicateExtension,
    x509.ExtensionNotFound,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)
