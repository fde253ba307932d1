"""Which file of a checkpoint holds the token embeddings, and under which name."""

import re
from collections.abc import Collection, Iterable
from pathlib import PurePosixPath

import orjson

from ridgeway.embedder import EmbedderError

SINGLE_FILE = "model.safetensors"
SHARD_INDEX = "model.safetensors.index.json"

PICKLE_SUFFIXES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")

# How a tensor's name ends, after any prefix such as bert., transformer., model., language_model. or encoder.
INPUT_EMBEDDINGS = {
    "word_embeddings.weight": "BERT, RoBERTa, DistilBERT, Falcon, BLOOM",
    "wte.weight": "GPT-2, and models built like it",
    "embed_tokens.weight": "Llama, Mistral, Qwen, Gemma, Phi, OPT",
    "tok_embeddings.weight": "ModernBERT, and Mistral's own layout",
    "embed_in.weight": "GPT-NeoX, Pythia",
    "shared.weight": "T5, BART",
}
# Encoder-decoder checkpoints may repeat this matrix under each side's own name.
SHARED_BY_BOTH_SIDES = "shared.weight"
# Only where config.json says that input and output embeddings are one.
TIED_OUTPUT = "lm_head.weight"

# A matrix inside a numbered layer belongs to that layer (multi-token prediction), not to the model's input.
_INSIDE_A_LAYER = re.compile(r"(^|\.)(layers?|h|blocks?)\.\d+\.")

# Enough of a checkpoint's names to see what it is.
_NAMES_SHOWN = 8
_NAME_CHARACTERS_SHOWN = 80

_CONVERT = (
    'python -c "import torch, safetensors.torch as s; s.save_file({k: v.clone() for k, v in '
    "torch.load('pytorch_model.bin', map_location='cpu', weights_only=True).items()}, 'model.safetensors')\""
)


class PickleRefused(EmbedderError):
    """A checkpoint that only unpickling could read."""


def refuse_pickle(files: Iterable[str], where: str) -> PickleRefused:
    """Why pickle checkpoints are not read, and what to do instead."""
    return PickleRefused(
        f"{where} has its weights only as pickle ({', '.join(sorted(files))}), and loading a pickle can run any code "
        f"that is hidden in it; convert it once, where that does no harm: {_CONVERT}"
    )


def weights_file(files: Collection[str], where: str) -> str:
    """The file to look into first, of those in a checkpoint: the single safetensors file, or the index of the shards.

    Raises:
        PickleRefused: there are only pickles.
        EmbedderError: there is no safetensors file, or several of which none has the usual name.
    """
    usual = [name for name in (SINGLE_FILE, SHARD_INDEX) if name in files]
    others = sorted(name for name in files if name.endswith(".safetensors") and "/" not in name)
    if usual or len(others) == 1:
        return (usual or others)[0]
    if others:
        raise EmbedderError(
            f"{where} has several safetensors files ({_some(others)}) and no {SHARD_INDEX}; "
            f"keep the one with the token embeddings and call it {SINGLE_FILE}"
        )
    if pickles := [name for name in files if name.endswith(PICKLE_SUFFIXES)]:
        raise refuse_pickle(pickles, where)
    raise EmbedderError(f"{where} has no {SINGLE_FILE} and no {SHARD_INDEX}; name a model folder that has one of them")


def embedding_name(names: Iterable[str], where: str, *, tied: bool) -> str:
    """The name of the token embedding matrix among a checkpoint's tensors.

    Args:
        tied: config.json says that the output matrix is the input matrix, so it may stand in.

    Raises:
        EmbedderError: none or several names fit; the message lists what was found.
    """
    outside = [name for name in names if not _INSIDE_A_LAYER.search(name)]
    found = [name for name in outside if any(_ends(name, suffix) for suffix in INPUT_EMBEDDINGS)]
    if shared := [name for name in found if _ends(name, SHARED_BY_BOTH_SIDES)]:
        found = shared
    if not found and tied:
        found = [name for name in outside if _ends(name, TIED_OUTPUT)]
    match found:
        case [name]:
            return name
        case []:
            raise EmbedderError(
                f"{where} has no token embedding matrix under a known name ({', '.join(INPUT_EMBEDDINGS)}), "
                f"only {_some(outside) or 'nothing'}; name another model"
            )
        case _:
            raise EmbedderError(
                f"{where} has several token embedding matrices ({_some(found)}); "
                "save the one to use as the only tensor of a model folder of its own"
            )


def shard_of(index: bytes, where: str, *, tied: bool) -> str:
    """The file name of the shard that holds the token embeddings.

    Raises:
        EmbedderError: the index is damaged, points out of the folder, or `embedding_name` refuses.
    """
    try:
        weight_map = orjson.loads(index)["weight_map"]
        shard = weight_map[embedding_name(weight_map, where, tied=tied)]
    except (ValueError, KeyError, TypeError) as error:
        raise EmbedderError(f"{SHARD_INDEX} of {where} is damaged; download it again") from error
    if not isinstance(shard, str) or PurePosixPath(shard).name != shard:
        raise EmbedderError(f"{SHARD_INDEX} of {where} points out of its folder; do not use this model")
    return shard


def is_tied(config: bytes) -> bool:
    """Whether config.json says that input and output embeddings are one matrix; damaged ones say nothing."""
    try:
        document = orjson.loads(config)
    except ValueError:
        return False
    return isinstance(document, dict) and document.get("tie_word_embeddings") is True


def _ends(name: str, suffix: str) -> bool:
    return name == suffix or name.endswith("." + suffix)


def _some(names: Collection[str]) -> str:
    shown = ", ".join(name[:_NAME_CHARACTERS_SHOWN] for name in sorted(names)[:_NAMES_SHOWN])
    return shown if len(names) <= _NAMES_SHOWN else f"{shown} and {len(names) - _NAMES_SHOWN} more"
