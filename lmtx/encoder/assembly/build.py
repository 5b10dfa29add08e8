"""What the entries of the registries build with."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lmtx.encoder.assembly.spec import EncoderSpec
from lmtx.errors import InputError

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


@dataclass(frozen=True)
class Material:
    """What an encoder is built from, beside its names.

    Attributes
    ----------
    tokeniser : transformers.PreTrainedTokenizerFast
    base : SentenceTransformer or None
        The encoder that weights are taken from.
    words : Tensor of shape (n_pieces, dim) or None
        Its word embeddings, where the tokeniser is its own.
    """

    tokeniser: Any
    base: SentenceTransformer | None = None
    words: Any = None


@dataclass(frozen=True)
class Built:
    """Modules of sentence-transformers, and the length of the token embeddings that they end with."""

    modules: tuple[Any, ...]
    width: int


@dataclass(frozen=True)
class Entry:
    """One name of a registry.

    Attributes
    ----------
    about : str
        A sentence for people.
    build : callable
        Takes (spec, material, what was built so far), returns what is built with it.
    """

    about: str
    build: Callable[[EncoderSpec, Material, Built], Built]


NOTHING = Built((), 0)


def only_words(spec: EncoderSpec) -> None:
    """Raise `InputError` where an encoder that reads tokens in order gets more than word embeddings."""
    if spec.embedding != ("word",):
        raise InputError(
            f"Encoder {spec.encoder!r} reads tokens in their order and takes the embedding 'word' alone; got "
            f"{', '.join(spec.embedding)}."
        )


def from_config(config: Any, material: Material, max_length: int, model: Any = None) -> Any:
    """Return a Transformer module with random weights, or those of `model`, and the tokeniser.

    The module only loads folders, so one is written for a moment.
    """
    from sentence_transformers.base.modules import Transformer
    from transformers import AutoModel

    with tempfile.TemporaryDirectory() as folder:
        made = model or AutoModel.from_config(config)  # type: ignore[no-untyped-call]
        made.save_pretrained(folder)
        material.tokeniser.save_pretrained(folder)
        module = Transformer(folder, model_kwargs={"dtype": "float32"})
    module.max_seq_length = max_length
    return module


def word_table(spec: EncoderSpec, material: Material, width: int) -> Any:
    """Return word embeddings to begin with, (n_pieces, width): the base encoder's, or random ones.

    Raises
    ------
    InputError
        If the base encoder's are asked for and don't fit.
    """
    import torch

    n_pieces = len(material.tokeniser)
    if spec.start == "default":
        if material.words is None or tuple(material.words.shape) != (n_pieces, width):
            got = "none" if material.words is None else tuple(material.words.shape)
            raise InputError(
                f"Encoder setting start='default': the base encoder has word embeddings {got}, expected "
                f"({n_pieces}, {width}). Set width to {got[1] if got != 'none' else 'its length'}, leave "
                "vocabulary out, or start from scratch."
            )
        return material.words.detach().clone().float()
    table = torch.randn(n_pieces, width) * 0.05
    table[material.tokeniser.pad_token_id] = 0
    return table
