"""Encoders assembled by names: embedding, encoder, pooling, head.

The idea is UER's (Zhao et al., UER: An Open-Source Toolkit for Pre-training Models, EMNLP-IJCNLP 2019); the
modules are those of sentence-transformers and transformers. Importing this package needs neither.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lmtx.encoder.assembly.build import NOTHING, Built, Entry, Material
from lmtx.encoder.assembly.embeddings import EMBEDDINGS
from lmtx.encoder.assembly.encoders import ENCODERS
from lmtx.encoder.assembly.heads import HEADS
from lmtx.encoder.assembly.pooling import POOLINGS
from lmtx.encoder.assembly.spec import EncoderSpec, spec_of
from lmtx.encoder.assembly.tokeniser import trained_tokeniser
from lmtx.errors import InputError

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

REGISTRIES: dict[str, dict[str, Entry]] = {
    "embedding": EMBEDDINGS,
    "encoder": ENCODERS,
    "pooling": POOLINGS,
    "head": HEADS,
}


def assemble(
    spec: EncoderSpec, base: SentenceTransformer, texts: Iterable[str] = (), seed: int = 0
) -> SentenceTransformer:
    """Build an encoder.

    Parameters
    ----------
    spec : EncoderSpec
        From `spec_of`.
    base : SentenceTransformer
        The encoder whose tokeniser and, if the specification says so, weights are taken.
    texts : iterable of str
        The corpus, read only where a tokeniser is to be trained on it.
    seed : int
        Of the random weights; torch's own generator is left as it was.

    Raises
    ------
    InputError
        If a name does not exist, or parts do not go together.
    """
    import torch
    from sentence_transformers import SentenceTransformer

    check_names(spec)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        material = _material(spec, base, texts)
        tower = _tower(spec, material)
        if spec.label_tower is not None:
            tower = _two_towers(tower, spec.label_tower, material)
        model = SentenceTransformer(modules=list(tower), device="cpu")
    if spec.encoder == "pretrained":
        model.prompts = dict(base.prompts or {})
    return model.eval()


def check_names(spec: EncoderSpec) -> None:
    """Refuse names that no registry has.

    Raises
    ------
    InputError
        With the names that there are.
    """
    named = {
        "embedding": spec.embedding,
        "encoder": (spec.encoder,),
        "pooling": () if spec.pooling is None else (spec.pooling,),
        "head": spec.head,
    }
    for kind, names in named.items():
        for name in names:
            if name not in REGISTRIES[kind]:
                raise InputError(f"No {kind} is called {name!r}. Known: {', '.join(REGISTRIES[kind])}.")


def _material(spec: EncoderSpec, base: SentenceTransformer, texts: Iterable[str]) -> Material:
    if spec.vocabulary is not None:
        return Material(trained_tokeniser(texts, spec.vocabulary), base)
    transformer = getattr(base[0], "auto_model", None)
    tokeniser = getattr(base, "tokenizer", None)
    tokeniser = getattr(tokeniser, "tokenizer", tokeniser)  # of word embeddings: it is wrapped
    if not callable(tokeniser):
        raise InputError(
            "The base encoder has no tokeniser of transformers to build on. Set vocabulary, for example to "
            "8000, and one is trained on the corpus; or go back to the default encoder first."
        )
    words = None if transformer is None else transformer.get_input_embeddings().weight
    return Material(tokeniser, base, words)


def _tower(spec: EncoderSpec, material: Material) -> tuple[Any, ...]:
    built = ENCODERS[spec.encoder].build(spec, material, NOTHING)
    if spec.pooling is not None and spec.encoder != "static":
        built = POOLINGS[spec.pooling].build(spec, material, built)
    for name in spec.head:
        built = HEADS[name].build(spec, material, built)
    return built.modules


def _two_towers(documents: tuple[Any, ...], spec: EncoderSpec, material: Material) -> tuple[Any, ...]:
    """Route documents and labels through towers of their own: UER's dual encoder, section 3.1.

    The routes have the names under which a saved student has them: "query" reads documents.
    """
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Router

    check_names(spec)
    labels = _tower(replace(spec, label_tower=None), material)
    if any(type(tower[0]).__name__ == "WordEmbeddings" for tower in (documents, labels)):
        raise InputError(  # their tokeniser is told the route and does not know what to do with it
            "Word embeddings of sentence-transformers can't be in one of two towers. Use the encoders gru, "
            "bigru, transformer, pretrained or static there, or the embedding word and position."
        )
    length = [
        SentenceTransformer(modules=list(tower), device="cpu").get_embedding_dimension()
        for tower in (documents, labels)
    ]
    if length[0] != length[1]:
        raise InputError(
            f"The tower of documents gives vectors of length {length[0]}, that of labels {length[1]}; "
            "expected the same. Add the head 'dense' with the same length to both."
        )
    return (Router({"query": list(documents), "document": list(labels)}, default_route="query"),)


__all__ = [
    "EMBEDDINGS",
    "ENCODERS",
    "HEADS",
    "POOLINGS",
    "REGISTRIES",
    "Built",
    "EncoderSpec",
    "Entry",
    "Material",
    "assemble",
    "spec_of",
]
