"""Gated recurrent units: sentence-transformers has none, so this is a model of transformers of our own.

Cho et al., Learning Phrase Representations using RNN Encoder-Decoder for Statistical Machine Translation,
EMNLP 2014. Importing this module makes the model known to transformers; then `SentenceTransformer(folder)`
loads it as any other. Elsewhere the folder's own copy of this code does, with `trust_remote_code=True`.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput


class GruConfig(PreTrainedConfig):  # type: ignore[no-untyped-call]
    """Sizes of a `GruModel`."""

    model_type = "lmtx-gru"
    vocab_size: int = 30522
    embedding_size: int = 256
    hidden_size: int = 256
    num_hidden_layers: int = 1
    bidirectional: bool = True
    pad_token_id: int = 0
    max_position_embeddings: int = 512


class GruModel(PreTrainedModel):  # type: ignore[no-untyped-call]
    """Word embeddings, and gated recurrent units over them; in both directions, tokens are twice as long."""

    config_class = GruConfig
    base_model_prefix = "gru"

    def __init__(self, config: GruConfig) -> None:
        super().__init__(config)
        self.words = nn.Embedding(config.vocab_size, config.embedding_size, padding_idx=config.pad_token_id)
        self.recurrent = nn.GRU(
            config.embedding_size,
            config.hidden_size // (2 if config.bidirectional else 1),
            config.num_hidden_layers,
            batch_first=True,
            bidirectional=config.bidirectional,
        )
        self.post_init()  # type: ignore[no-untyped-call]

    def get_input_embeddings(self) -> nn.Module:
        """Word embeddings."""
        return self.words

    def set_input_embeddings(self, value: Any) -> None:
        """Take other word embeddings."""
        self.words = value

    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, nn.GRU):
            for weight in module.parameters():
                (nn.init.xavier_uniform_ if weight.dim() > 1 else nn.init.zeros_)(weight)
        elif isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, std=0.05)

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor | None = None, **others: Any
    ) -> BaseModelOutput:
        """Encode (n, length) token numbers into (n, length, hidden_size)."""
        del others
        mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        packed = nn.utils.rnn.pack_padded_sequence(
            self.words(input_ids), mask.sum(dim=1).clamp(min=1).cpu(), batch_first=True, enforce_sorted=False
        )
        found, _ = nn.utils.rnn.pad_packed_sequence(
            self.recurrent(packed)[0], batch_first=True, total_length=input_ids.shape[1]
        )
        return BaseModelOutput(last_hidden_state=found)


AutoConfig.register(GruConfig.model_type, GruConfig, exist_ok=True)
AutoModel.register(GruConfig, GruModel, exist_ok=True)
GruConfig.register_for_auto_class()  # type: ignore[no-untyped-call]
GruModel.register_for_auto_class("AutoModel")  # type: ignore[no-untyped-call]
