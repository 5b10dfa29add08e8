"""The base encoder, to be trained on: a copy of all its modules, or of its transformer alone.

Gururangan et al., Don't Stop Pretraining: Adapt Language Models to Domains and Tasks, ACL 2020.
"""

from __future__ import annotations

import copy

from lmtx.encoder.assembly.build import Built, Material
from lmtx.encoder.assembly.spec import EncoderSpec
from lmtx.errors import InputError


def build(spec: EncoderSpec, material: Material, before: Built) -> Built:
    """Copy the base; without its pooling and head where the specification names others."""
    del before
    base = material.base
    if base is None or spec.start == "scratch":
        raise InputError("A pre-trained encoder can't start from scratch. Use 'transformer' for that.")
    if spec.vocabulary is not None or spec.embedding:
        raise InputError("A pre-trained encoder brings its embeddings and its tokeniser: leave them out.")
    if spec.pooling is None:
        if spec.head:
            dim = int(base.get_embedding_dimension() or 0)
            return Built(tuple(copy.deepcopy(module) for module in base), dim)
        return Built(tuple(copy.deepcopy(module) for module in base), 0)
    first = copy.deepcopy(base[0])
    if not hasattr(first, "auto_model"):
        raise InputError(
            f"The base encoder begins with {type(first).__name__}, which gives no token vectors to pool. "
            "Leave pooling out."
        )
    return Built((first,), int(first.get_embedding_dimension()))
