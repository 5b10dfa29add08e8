"""A transformer of a size of one's own, from scratch: BERT of transformers by a configuration.

Vaswani et al., Attention Is All You Need, NeurIPS 2017; Devlin et al., BERT, NAACL 2019.
"""

from __future__ import annotations

from lmtx.encoder.assembly.build import Built, Material, from_config, word_table
from lmtx.encoder.assembly.embeddings import bert_config
from lmtx.encoder.assembly.spec import EncoderSpec
from lmtx.errors import InputError


def build(spec: EncoderSpec, material: Material, before: Built) -> Built:
    """Build `spec.layers` layers of `spec.hidden`, with the embeddings that belong to them."""
    from transformers import BertModel

    del before
    names = frozenset(spec.embedding)
    if names not in ({"word", "position"}, {"word", "position", "segment"}):
        raise InputError(
            f"A transformer needs to know positions: embedding is {', '.join(spec.embedding)}, expected "
            "word and position, or these and segment."
        )
    config = bert_config(spec, material, layers=spec.layers, width=spec.hidden, segments="segment" in names)
    model = BertModel(config)
    if spec.start == "default":
        model.embeddings.word_embeddings.weight.data = word_table(spec, material, spec.hidden)
    return Built((from_config(config, material, spec.max_length, model),), spec.hidden)
