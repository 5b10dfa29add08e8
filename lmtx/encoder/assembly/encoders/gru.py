"""Gated recurrent units; the model is `lmtx.encoder.assembly.gru_model`, as sentence-transformers has none.

Cho et al., Learning Phrase Representations using RNN Encoder-Decoder for Statistical Machine Translation,
EMNLP 2014; in UER (Zhao et al., EMNLP-IJCNLP 2019) one of the encoders to choose from.
"""

from __future__ import annotations

from lmtx.encoder.assembly.build import Built, Material, from_config, only_words, word_table
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
    from lmtx.encoder.assembly.gru_model import GruConfig, GruModel

    only_words(spec)
    width = spec.hidden * (2 if bidirectional else 1)
    config = GruConfig(
        vocab_size=len(material.tokeniser),
        embedding_size=spec.width,
        hidden_size=width,
        num_hidden_layers=spec.layers,
        bidirectional=bidirectional,
        pad_token_id=material.tokeniser.pad_token_id,
        max_position_embeddings=spec.max_length,
    )
    model = GruModel(config)
    model.words.weight.data = word_table(spec, material, spec.width)
    return Built((from_config(config, material, spec.max_length, model),), width)
