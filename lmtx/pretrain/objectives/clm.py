"""Causal language modelling: predict the next word from those before it.

Radford et al., Improving Language Understanding by Generative Pre-Training, 2018. A BERT reads causally where
its configuration says that it decodes; it is told so for the length of a forward pass.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from lmtx.errors import InputError
from lmtx.pretrain.corpus import Corpus
from lmtx.pretrain.objectives.base import Objective, Rows, some, words_of
from lmtx.pretrain.reader import Reader, WordPrediction


class NextWord(Objective):
    """The vector of each token predicts the next token; the encoder must read from left to right."""

    def __init__(self, reader: Reader, corpus: Corpus) -> None:
        super().__init__(reader, corpus)
        self.predict = WordPrediction(reader, reader.token_width())
        if not self._causal():
            raise InputError(
                "Causal language modelling needs an encoder that reads from left to right: lstm, gru, or a "
                "transformer of the BERT family. This one sees the words that it would have to predict; use "
                "mlm."
            )

    def forward(self, rows: Rows, rng: np.random.Generator) -> Tensor:
        """Loss of a batch."""
        features = self.reader.features(self.texts(rows))
        wanted = words_of(self.reader, features)
        wanted[:, 0] = False  # nothing stands before it
        wanted = some(wanted, rng)
        with self._left_to_right():
            tokens = self.reader.tokens(features)
        if not bool(wanted.any()):
            return tokens.sum() * 0
        before = torch.roll(wanted, -1, dims=1)
        return self.predict(tokens[before], features["input_ids"][wanted])  # type: ignore[no-any-return]

    @contextmanager
    def _left_to_right(self) -> Iterator[None]:
        transformer = getattr(self.reader.model[0], "auto_model", None)
        if transformer is None:
            yield
            return
        # The configuration makes the mask; the layers say so where there is none, as nothing is padded.
        layers = [m for m in transformer.modules() if hasattr(m, "is_causal")]
        was = getattr(transformer.config, "is_decoder", False), [m.is_causal for m in layers]
        transformer.config.is_decoder = True
        for layer in layers:
            layer.is_causal = True
        try:
            yield
        finally:
            transformer.config.is_decoder = was[0]
            for layer, causal in zip(layers, was[1], strict=True):
                layer.is_causal = causal

    def _causal(self) -> bool:
        """Whether another last word leaves the vectors before it as they are."""
        was = self.reader.model.training
        self.reader.model.eval()
        with torch.no_grad(), self._left_to_right():
            features = self.reader.features(["one two three four five six"])
            first = self.reader.tokens(features)
            features["input_ids"] = features["input_ids"].clone()
            features["input_ids"][:, -1] = self.reader.tokeniser.mask_token_id
            second = self.reader.tokens(features)
        self.reader.model.train(was)
        return bool(torch.allclose(first[:, :-1], second[:, :-1], atol=1e-4))
