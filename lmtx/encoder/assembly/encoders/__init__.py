"""Encoders: what makes a token's vector depend on the others. One module each; adding one is a line here."""

from __future__ import annotations

from lmtx.encoder.assembly.build import Entry
from lmtx.encoder.assembly.embeddings import EMBEDDINGS
from lmtx.encoder.assembly.encoders import gated_cnn, gru, lstm, none, pretrained, transformer

ENCODERS: dict[str, Entry] = {
    "pretrained": Entry("The workspace's encoder as it is, to be trained on.", pretrained.build),
    "transformer": Entry("Attention over all tokens, small and from scratch.", transformer.build),
    "lstm": Entry("Reads from left to right (long short-term memory).", lstm.one_way),
    "bilstm": Entry("Reads in both directions (long short-term memory).", lstm.both_ways),
    "gru": Entry("Reads from left to right (gated recurrent unit).", gru.one_way),
    "bigru": Entry("Reads in both directions (gated recurrent unit).", gru.both_ways),
    "gated_cnn": Entry("Convolutions over near tokens, with gates.", gated_cnn.build),
    "none": Entry("Pools the embeddings themselves.", none.build),
    "static": EMBEDDINGS["static"],
}

__all__ = ["ENCODERS"]
