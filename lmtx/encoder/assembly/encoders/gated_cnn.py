"""Gated convolutions: `CNN` of sentence-transformers, and a `Dense` whose activation is the gate.

Dauphin et al., Language Modeling with Gated Convolutional Networks, ICML 2017; without its residual links.
`WordWeights`, with all weights one, sets what lies behind a text's end to zero before each convolution: so a
text's vector does not depend on what it is batched with.
"""

from __future__ import annotations

from lmtx.encoder.assembly.build import Built, Material
from lmtx.encoder.assembly.embeddings import embed
from lmtx.encoder.assembly.spec import EncoderSpec
from lmtx.errors import InputError


def build(spec: EncoderSpec, material: Material, before: Built) -> Built:
    """Stack `spec.layers` convolutions of `spec.kernel` tokens."""
    from sentence_transformers.base.modules import Dense
    from sentence_transformers.sentence_transformer.modules import CNN, WordWeights
    from torch import nn

    del before
    if spec.kernel % 2 == 0:
        raise InputError(f"Encoder setting kernel: got {spec.kernel}, expected an odd number of tokens.")
    built = embed(spec, material)
    vocabulary = [f"{i}" for i in range(len(material.tokeniser))]  # by number: names may repeat
    modules, width = list(built.modules), built.width
    for _ in range(spec.layers):
        inside = WordWeights(vocabulary, {}, 1)
        inside.requires_grad_(False)
        gate = Dense(
            2 * spec.hidden,
            2 * spec.hidden,
            activation_function=nn.GLU(),
            module_input_name="token_embeddings",
        )
        modules += [inside, CNN(width, 2 * spec.hidden, [spec.kernel]), gate]
        width = spec.hidden
    return Built(tuple(modules), width)
