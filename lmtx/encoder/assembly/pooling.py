"""Poolings: from a vector a token to one of the text, by `Pooling` of sentence-transformers.

Reimers and Gurevych, Sentence-BERT, EMNLP-IJCNLP 2019, section 3.
"""

from __future__ import annotations

from lmtx.encoder.assembly.build import Built, Entry, Material
from lmtx.encoder.assembly.spec import EncoderSpec


def _entry(mode: str, about: str) -> Entry:
    def build(spec: EncoderSpec, material: Material, before: Built) -> Built:
        from sentence_transformers.sentence_transformer.modules import Pooling

        del spec, material
        return Built((*before.modules, Pooling(before.width, mode)), before.width)

    return Entry(about, build)


POOLINGS: dict[str, Entry] = {
    "mean": _entry("mean", "Mean of all tokens."),
    "max": _entry("max", "Largest value of each number over all tokens."),
    "first": _entry("cls", "First token."),
    "last": _entry("lasttoken", "Last token."),
}
