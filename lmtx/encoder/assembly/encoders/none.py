"""No encoder: the mean of embeddings is a strong and fast sentence vector.

Wieting et al., Towards Universal Paraphrastic Sentence Embeddings, ICLR 2016.
"""

from __future__ import annotations

from lmtx.encoder.assembly.build import Built, Material
from lmtx.encoder.assembly.embeddings import embed
from lmtx.encoder.assembly.spec import EncoderSpec


def build(spec: EncoderSpec, material: Material, before: Built) -> Built:
    """Build the embeddings alone."""
    del before
    return embed(spec, material)
