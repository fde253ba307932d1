"""A model's tokeniser as the JSON of the `tokenizers` library, whatever form the model ships it in."""

from pathlib import Path

from tokenizers import Tokenizer

from ridgeway.embedder import EmbedderError

TOKENIZER_FILE = "tokenizer.json"

# What slow tokenisers are made of; small files, read by transformers only where tokenizer.json is missing.
LEGACY_FILES = (
    "config.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "tokenizer.model",
    "spiece.model",
    "sentencepiece.bpe.model",
)


def read_tokenizer_json(folder: Path) -> bytes:
    """tokenizer.json of a model folder, or what transformers converts the older files to.

    Raises:
        EmbedderError: there is no tokeniser, or transformers cannot convert it.
    """
    path = folder / TOKENIZER_FILE
    if path.is_file():
        return path.read_bytes()
    if not any((folder / name).is_file() for name in LEGACY_FILES if name != "config.json"):
        raise EmbedderError(f"{folder} has no {TOKENIZER_FILE}; put the model's own beside its weights")
    return _converted(folder)


def _converted(folder: Path) -> bytes:
    # Only here, because importing it takes seconds.
    from transformers import AutoTokenizer  # noqa: PLC0415

    try:
        # Of a folder on this disk, so there is no revision to pin.
        tokenizer = AutoTokenizer.from_pretrained(  # nosec B615
            str(folder), local_files_only=True, trust_remote_code=False
        )
    except (OSError, ValueError, ImportError, KeyError, TypeError, AttributeError) as error:
        raise EmbedderError(f"transformers cannot read the tokeniser in {folder}; add a {TOKENIZER_FILE}") from error
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if not isinstance(backend, Tokenizer):
        raise EmbedderError(f"the tokeniser in {folder} has no fast form; add a {TOKENIZER_FILE}")
    return backend.to_str().encode()


def parse_tokenizer(tokenizer_json: bytes, where: str) -> Tokenizer:
    """The tokeniser of a tokenizer.json.

    Raises:
        EmbedderError: the `tokenizers` library cannot read it.
    """
    try:
        return Tokenizer.from_buffer(tokenizer_json)
    except ValueError as error:
        raise EmbedderError(
            f"{TOKENIZER_FILE} of {where} is damaged or newer than the installed tokenizers library; "
            "download it again, or upgrade tokenizers"
        ) from error
