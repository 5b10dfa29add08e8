"""Heads: what is done to a text's vector at the end."""

from __future__ import annotations

from lmtx.encoder.assembly.build import Built, Entry, Material
from lmtx.encoder.assembly.spec import EncoderSpec


def _dense(spec: EncoderSpec, material: Material, before: Built) -> Built:
    """A linear layer and tanh, `Dense` of sentence-transformers; as the pooler of BERT."""
    from sentence_transformers.base.modules import Dense

    del material
    width = spec.dense or before.width
    return Built((*before.modules, Dense(before.width, width)), width)


def _normalise(spec: EncoderSpec, material: Material, before: Built) -> Built:
    """Unit length, `Normalize` of sentence-transformers: a product of two vectors is their cosine."""
    from sentence_transformers.sentence_transformer.modules import Normalize

    del spec, material
    return Built((*before.modules, Normalize()), before.width)


HEADS: dict[str, Entry] = {
    "dense": Entry("A linear layer and tanh.", _dense),
    "normalise": Entry("Scales the vector to length 1.", _normalise),
}
