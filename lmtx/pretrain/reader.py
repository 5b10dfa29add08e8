"""How objectives read texts with a model: tokens, vectors of tokens and of texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from lmtx.errors import InputError

Side = Literal["document", "label"]

_ROUTE = {"document": "query", "label": "document"}  # as a saved student has them


class Reader:
    """A model that is being trained, as objectives see it.

    Parameters
    ----------
    model : SentenceTransformer
    max_length : int
        Tokens read of a text.
    prompt : str or None
        What the encoder wants before a text.
    """

    def __init__(self, model: Any, max_length: int, prompt: str | None = None) -> None:
        self.model, self._prompt = model, prompt or ""
        self._routes = getattr(model[0], "sub_modules", None)
        own = model.max_seq_length
        self.max_length = int(min(max_length, own or max_length))

    def _first(self, side: Side) -> Any:
        return self.model[0] if self._routes is None else self._routes[_ROUTE[side]][0]

    @property
    def tokeniser(self) -> Any:
        """Tokeniser of documents, as transformers has it.

        Raises
        ------
        InputError
            If the encoder has no tokens, as a static one.
        """
        found = getattr(self._first("document"), "tokenizer", None)
        found = getattr(found, "tokenizer", found)  # that of word embeddings is wrapped
        if not callable(found):
            raise InputError(
                "This objective predicts words from tokens in their order, which a static encoder has not. "
                "Use inverse_cloze, random_segments, title_content or distillation."
            )
        return found

    @property
    def words(self) -> Tensor:
        """Word embeddings of documents, (n_pieces, width); they learn with the model."""
        first = self._first("document")
        if hasattr(first, "emb_layer"):
            table: Tensor = first.emb_layer.weight
        else:
            table = first.auto_model.get_input_embeddings().weight
        return table

    def features(
        self, texts: Sequence[str], pairs: Sequence[str] | None = None, side: Side = "document"
    ) -> dict[str, Any]:
        """Tokens of texts, or of pairs of texts, cut at `max_length`, on the model's device."""
        given = [self._prompt + t for t in texts]
        first = self._first(side)
        tokeniser = getattr(first, "tokenizer", None)
        tokeniser = getattr(tokeniser, "tokenizer", tokeniser)
        if callable(tokeniser):
            found = dict(
                tokeniser(
                    given,
                    None if pairs is None else list(pairs),
                    truncation=True,
                    max_length=self.max_length,
                    padding=True,
                    return_tensors="pt",
                )
            )
            found["sentence_lengths"] = found["attention_mask"].sum(dim=1)
        else:
            found = first.preprocess(given)
        device = self.model.device
        return {k: v.to(device) if isinstance(v, Tensor) else v for k, v in found.items()}

    def run(self, features: dict[str, Any], side: Side = "document") -> dict[str, Any]:
        """Encode; "token_embeddings" (n, length, width), "sentence_embedding" (n, dim)."""
        task = {} if self._routes is None else {"task": _ROUTE[side]}
        found: dict[str, Any] = self.model(dict(features), **task)
        return found

    def vectors(self, texts: Sequence[str], side: Side = "document") -> Tensor:
        """Vectors of texts, float32 (n, dim), of length 1."""
        return normalize(self.run(self.features(texts, side=side), side)["sentence_embedding"].float(), dim=1)

    def token_width(self) -> int:
        """Length of a token's vector."""
        was = self.model.training
        self.model.eval()
        with torch.no_grad():
            found = int(self.tokens(self.features(["a"])).shape[-1])
        self.model.train(was)
        return found

    def tokens(self, features: dict[str, Any]) -> Tensor:
        """Vectors of tokens, float32 (n, length, width)."""
        _ = self.tokeniser  # says what is wrong where there are none
        found: Tensor = self.run(features)["token_embeddings"].float()
        return found


class WordPrediction(nn.Module):
    """From vectors to words, by the encoder's own word embeddings.

    Press and Wolf, Using the Output Embedding to Improve Language Models, EACL 2017; the layer before it is
    that of BERT.
    """

    def __init__(self, reader: Reader, width: int) -> None:
        super().__init__()
        n_pieces, length = reader.words.shape
        self.transform = nn.Sequential(nn.Linear(width, length), nn.GELU(), nn.LayerNorm(length))
        self.bias = nn.Parameter(torch.zeros(n_pieces))
        self._reader = (reader,)  # in a tuple: it is no part of this module

    def forward(self, vectors: Tensor, wanted: Tensor) -> Tensor:
        """Cross-entropy of the wanted pieces (n,) given vectors (n, width)."""
        logits = self.transform(vectors) @ self._reader[0].words.float().T + self.bias
        return nn.functional.cross_entropy(logits, wanted)
