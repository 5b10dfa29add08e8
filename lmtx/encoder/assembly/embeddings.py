"""Embeddings: from token numbers to a vector a token.

Words alone are `WordEmbeddings` of sentence-transformers. With positions, and with segments, they are the
embeddings of a BERT without layers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lmtx.encoder.assembly.build import Built, Entry, Material, from_config, word_table
from lmtx.encoder.assembly.spec import EncoderSpec
from lmtx.errors import InputError

if TYPE_CHECKING:
    from transformers import BertConfig


def embed(spec: EncoderSpec, material: Material) -> Built:
    """Build the embeddings of a specification; their names add up.

    Raises
    ------
    InputError
        If the names do not go together.
    """
    names = frozenset(spec.embedding)
    if names == {"word"}:
        return _words(spec, material)
    if names in ({"word", "position"}, {"word", "position", "segment"}):
        return _bert(spec, material, segments="segment" in names)
    raise InputError(
        f"Embeddings {', '.join(spec.embedding) or 'none'} do not go together. Use word; word and position; "
        "word, position and segment; or static alone."
    )


def _words(spec: EncoderSpec, material: Material) -> Built:
    from sentence_transformers.sentence_transformer.modules import WordEmbeddings

    table = word_table(spec, material, spec.width)
    module = WordEmbeddings(material.tokeniser, table, update_embeddings=True, max_seq_length=spec.max_length)
    module.emb_layer.padding_idx = material.tokeniser.pad_token_id  # what is no token stays zero
    return Built((module,), spec.width)


def _bert(spec: EncoderSpec, material: Material, *, segments: bool) -> Built:
    from transformers import BertModel

    config = bert_config(spec, material, layers=0, width=spec.width, segments=segments)
    model = BertModel(config)
    if spec.start == "default":
        model.embeddings.word_embeddings.weight.data = word_table(spec, material, spec.width)
    return Built((from_config(config, material, spec.max_length, model),), spec.width)


def bert_config(
    spec: EncoderSpec, material: Material, *, layers: int, width: int, segments: bool
) -> BertConfig:
    """Return the configuration of a BERT of this size."""
    from transformers import BertConfig

    heads = spec.heads if layers else 1
    if width % heads:
        raise InputError(
            f"Encoder settings hidden and heads: {width} can't be divided among {heads} heads. "
            "Choose a multiple."
        )
    return BertConfig(
        vocab_size=len(material.tokeniser),
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=4 * width,
        max_position_embeddings=spec.max_length,
        type_vocab_size=2 if segments else 1,
        hidden_dropout_prob=spec.dropout,
        attention_probs_dropout_prob=spec.dropout,
        pad_token_id=material.tokeniser.pad_token_id,
    )


def _named(spec: EncoderSpec, material: Material, before: Built) -> Built:
    del before
    return embed(spec, material)


def _static(spec: EncoderSpec, material: Material, before: Built) -> Built:
    """Mean of the words' vectors, with nothing between; `lmtx.pretrain.static` distils them.

    Tulkens and van Dongen, Model2Vec: Fast State-of-the-Art Static Embeddings, 2024 (MinishLab/model2vec).
    """
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding

    del before
    if spec.embedding != ("static",) or spec.pooling not in (None, "mean"):
        raise InputError(
            "A static encoder is the mean of its own embeddings: leave embedding and pooling out."
        )
    import torch

    table = torch.randn(len(material.tokeniser), spec.width) * 0.05
    table[material.tokeniser.pad_token_id] = 0
    return Built((StaticEmbedding(material.tokeniser, embedding_weights=table),), spec.width)


EMBEDDINGS: dict[str, Entry] = {
    "word": Entry("A vector for each word piece.", _named),
    "position": Entry("Adds a vector for each place in the text (BERT, Devlin et al. 2019).", _named),
    "segment": Entry("Adds a vector that tells two texts of a pair apart (BERT).", _named),
    "static": Entry("A vector for each word piece, and their mean is the text's: very fast.", _static),
}
