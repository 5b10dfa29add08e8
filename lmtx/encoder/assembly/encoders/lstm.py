"""Long short-term memory, `LSTM` of sentence-transformers.

Hochreiter and Schmidhuber, Long Short-Term Memory, Neural Computation 1997; as a sentence encoder: Conneau et
al., Supervised Learning of Universal Sentence Representations, EMNLP 2017.
"""

from __future__ import annotations

from lmtx.encoder.assembly.build import Built, Material, only_words
from lmtx.encoder.assembly.embeddings import embed
from lmtx.encoder.assembly.spec import EncoderSpec


def one_way(spec: EncoderSpec, material: Material, before: Built) -> Built:
    """Read from left to right."""
    del before
    return _build(spec, material, bidirectional=False)


def both_ways(spec: EncoderSpec, material: Material, before: Built) -> Built:
    """Read in both directions; tokens are twice as long."""
    del before
    return _build(spec, material, bidirectional=True)


def _build(spec: EncoderSpec, material: Material, *, bidirectional: bool) -> Built:
    from sentence_transformers.sentence_transformer.modules import LSTM

    only_words(spec)
    embedded = embed(spec, material)
    module = LSTM(embedded.width, spec.hidden, spec.layers, bidirectional=bidirectional)
    return Built((*embedded.modules, module), spec.hidden * (2 if bidirectional else 1))
