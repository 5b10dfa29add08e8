"""Lexical rankings of labels: BM25 in both directions and TF-IDF cosine."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from lmtx.errors import DAMAGED, StorageError
from lmtx.shortlist.dense import top_k
from lmtx.shortlist.tokenizer import Tokenizer
from lmtx.types import FloatArray, Label, Scored

Form = Literal["label_as_document", "label_as_query", "tfidf"]
FORMS: tuple[Form, ...] = ("label_as_document", "label_as_query", "tfidf")

K1 = 1.2
B = 0.75
_COMMON_SHARE = 0.1
_ENOUGH_DOCUMENTS = 30


@dataclass(frozen=True)
class TermCounts:
    """Words of texts as a `LexicalIndex` counts them.

    counts : csr float32 (n_docs, n_terms), terms of the labels only
    lengths : float32 (n_docs,), all tokens
    """

    counts: sparse.csr_matrix
    lengths: FloatArray

    def __len__(self) -> int:
        return len(self.lengths)

    def rows(self, rows: slice | Sequence[int] | NDArray[np.intp]) -> TermCounts:
        """Take some of the texts."""
        return TermCounts(self.counts[rows], self.lengths[rows])


class LexicalIndex:
    """Scores of all labels for any text, by the words they share.

    Forms
    -----
    label_as_document
        Labels (name, aliases, description) are the collection, the text is the query: BM25,
        divided by the square root of the label's idf mass, so that long definitions don't win by length.
    label_as_query
        The corpus is the collection, the label's name and aliases are the query: BM25,
        divided likewise.
    tfidf
        Cosine of TF-IDF vectors of text and label name, over the words that labels use.

    No single form is best on every corpus, which is why all are here.

    Parameters
    ----------
    labels : sequence of Label
        Row order of every result's columns.
    corpus : iterable of str
        Texts whose word frequencies `label_as_query` and `tfidf` use. Gold is never read.
    tokenizer : Tokenizer or None
    """

    def __init__(
        self, labels: Sequence[Label], corpus: Iterable[str], tokenizer: Tokenizer | None = None
    ) -> None:
        self.tokenizer = tokenizer or Tokenizer()
        names = [self.tokenizer(" ".join((x.name, *x.aliases))) for x in labels]
        full = [self.tokenizer(x.full_text) for x in labels]
        self.terms: dict[str, int] = {}
        for tokens in full:
            for token in tokens:
                self.terms.setdefault(token, len(self.terms))
        self.names = self._count_tokens(names).counts
        self.full = self._count_tokens(full)
        df = np.zeros(len(self.terms), dtype=np.float64)
        n_docs, n_tokens = 0, 0.0
        for counts in self._count_stream(corpus):
            df += np.bincount(counts.counts.indices, minlength=len(self.terms))
            n_docs += len(counts)
            n_tokens += float(counts.lengths.sum())
        self._prepare(df, n_docs, n_tokens / max(1, n_docs))

    def _prepare(self, df: NDArray[np.float64], n_docs: int, avgdl: float) -> None:
        self._words = list(self.terms)
        self.document_frequency = df
        self.n_docs = n_docs
        self.avgdl = max(avgdl, 1.0)
        self.idf = np.log1p((n_docs - df + 0.5) / (df + 0.5)).astype(np.float32)
        label_df = np.bincount(self.full.counts.indices, minlength=len(self.terms))
        n_labels = self.n_labels
        self.label_idf = np.log1p((n_labels - label_df + 0.5) / (label_df + 0.5)).astype(np.float32)
        average = max(float(self.full.lengths.mean()) if n_labels else 1.0, 1.0)
        as_document = _scale_columns(_saturated(self.full, average), self.label_idf)
        binary = self.full.counts.sign()
        self._as_document = _divide_rows(as_document, np.sqrt(binary @ self.label_idf))
        names = _scale_columns(self.names.sign(), self.idf)
        self._as_query = _divide_rows(names, np.sqrt(self.names.sign() @ self.idf))
        tfidf = _scale_columns(_log_tf(self.names), self.idf)
        self._tfidf = _unit_rows(tfidf)

    def over(self, labels: Sequence[Label], frequency: Callable[[str], float]) -> LexicalIndex:
        """Return an index over other labels, with the documents counted for this one.

        Parameters
        ----------
        labels : sequence of Label
        frequency : callable
            In how many of the `n_docs` documents a word is that none of the labels here has.
        """
        index = LexicalIndex(labels, (), self.tokenizer)
        df = [
            float(self.document_frequency[self.terms[word]]) if word in self.terms else frequency(word)
            for word in index.terms
        ]
        index._prepare(np.array(df, dtype=np.float64), self.n_docs, self.avgdl)
        return index

    def same_words(self, other: LexicalIndex) -> bool:
        """Whether the labels of both, row by row, have the same words as often."""
        if self.terms.keys() != other.terms.keys() or self.n_labels != other.n_labels:
            return False
        column = np.array([self.terms[word] for word in other.terms], dtype=np.int64)
        pairs = ((self.names, other.names), (self.full.counts, other.full.counts))
        return all(abs(mine[:, column] - theirs).sum() == 0 for mine, theirs in pairs)

    @property
    def n_labels(self) -> int:
        """Number of labels."""
        return int(self.names.shape[0])

    def count(self, texts: Iterable[str]) -> TermCounts:
        """Count the words of texts once, to score them by several forms."""
        parts = list(self._count_stream(texts))
        if not parts:
            return TermCounts(
                sparse.csr_matrix(np.zeros((0, len(self.terms)), np.float32)), np.zeros(0, np.float32)
            )
        counts = sparse.vstack([p.counts for p in parts], format="csr")
        return TermCounts(counts, np.concatenate([p.lengths for p in parts]))

    def scores(
        self, texts: Sequence[str] | TermCounts, form: Form = "label_as_document"
    ) -> sparse.csr_matrix:
        """Scores of all labels.

        Parameters
        ----------
        texts : sequence of str or TermCounts, length n_docs
            Pass some hundred at a time: see `blocks`.
        form : {"label_as_document", "label_as_query", "tfidf"}

        Returns
        -------
        csr_matrix of float32, shape (n_docs, n_labels)
            Zero where text and label share no word.
        """
        counts = texts if isinstance(texts, TermCounts) else self.count(texts)
        if form == "label_as_document":
            side, labels = counts.counts.sign(), self._as_document
        elif form == "label_as_query":
            side, labels = _saturated(counts, self.avgdl), self._as_query
        else:
            weighted = _scale_columns(_log_tf(counts.counts), self.idf)
            side = _unit_rows(weighted)
            labels = self._tfidf
        return sparse.csr_matrix(side @ labels.T)

    def blocks(
        self, texts: Sequence[str] | TermCounts, form: Form = "label_as_document", block: int | None = None
    ) -> Iterator[tuple[slice, sparse.csr_matrix]]:
        """`scores` of a few rows at a time: (rows, scores of those rows)."""
        counts = texts if isinstance(texts, TermCounts) else self.count(texts)
        for rows in row_blocks(len(counts), self.n_labels, block):
            yield rows, self.scores(counts.rows(rows), form)

    def topk(self, texts: Sequence[str] | TermCounts, k: int, form: Form = "label_as_document") -> Scored:
        """Best labels by one form; -1 pads where fewer share a word with the text."""
        return collect(
            ((rows, scores.toarray()) for rows, scores in self.blocks(texts, form)), k, positive=True
        )

    def matches(self, text: str, label_idx: int) -> list[tuple[str, float]]:
        """Words that a text shares with a label, as (token, weight), the heaviest first.

        The weight is the word's idf in the corpus, halved for words of the description alone.
        """
        present = {self.terms[t] for t in self.tokenizer(text) if t in self.terms}
        row = self.full.counts[label_idx]
        in_name = set(self.names[label_idx].indices.tolist())
        found = [
            (self._words[t], float(self.idf[t] if t in in_name else 0.5 * self.idf[t]))
            for t in row.indices.tolist()
            if t in present
        ]
        return sorted(found, key=lambda pair: -pair[1])

    def is_common(self, word: str, label_idx: int) -> bool:
        """Whether more than a tenth of the documents hold a token, and the label's name does not.

        Never in a corpus of a few documents, where shares say little.
        """
        term = self.terms.get(word)
        if term is None or self.n_docs < _ENOUGH_DOCUMENTS:
            return False
        share = self.document_frequency[term] / self.n_docs
        return bool(share > _COMMON_SHARE) and term not in self.names[label_idx].indices

    def save(self, path: Path) -> None:
        """Write the index to one .npz file, without the texts it was built from."""
        with path.open("wb") as file:
            np.savez_compressed(
                file,
                terms=np.frombuffer(json.dumps(list(self.terms)).encode(), dtype=np.uint8),
                fold_plurals=np.array(self.tokenizer.fold_plurals),
                version=np.frombuffer(self.tokenizer.version.encode(), dtype=np.uint8),
                df=self.document_frequency,
                n_docs=np.array(self.n_docs),
                avgdl=np.array(self.avgdl),
                lengths=self.full.lengths,
                **_csr_parts("names", self.names),
                **_csr_parts("full", self.full.counts),
            )

    @classmethod
    def load(cls, path: Path) -> LexicalIndex:
        """Read what `save` wrote.

        Raises
        ------
        StorageError
            If the file is missing, damaged or of other tokenisation rules.
        """
        try:
            with np.load(path, allow_pickle=False) as data:
                index = cls.__new__(cls)
                index.tokenizer = Tokenizer(fold_plurals=bool(data["fold_plurals"]))
                version = data["version"].tobytes().decode()
                if version != index.tokenizer.version:
                    raise StorageError(
                        f"lexical index {path}: words were split by rules {version!r}, this program has "
                        f"{index.tokenizer.version!r}. Train again."
                    )
                index.terms = {t: i for i, t in enumerate(json.loads(data["terms"].tobytes()))}
                index.names = _csr_of("names", data, len(index.terms))
                index.full = TermCounts(_csr_of("full", data, len(index.terms)), data["lengths"])
                index._prepare(data["df"], int(data["n_docs"]), float(data["avgdl"]))
        except DAMAGED as error:
            raise StorageError(f"lexical index {path}: can't be read ({error}). Train again.") from error
        return index

    def _count_stream(self, texts: Iterable[str], size: int = 2000) -> Iterator[TermCounts]:
        batch: list[list[str]] = []
        for text in texts:
            batch.append(self.tokenizer(text))
            if len(batch) == size:
                yield self._count_tokens(batch)
                batch = []
        if batch:
            yield self._count_tokens(batch)

    def _count_tokens(self, tokens: Sequence[list[str]]) -> TermCounts:
        get = self.terms.get
        found = [[i for t in row if (i := get(t)) is not None] for row in tokens]
        ends = np.cumsum([0, *(len(row) for row in found)])
        indices = np.fromiter((i for row in found for i in row), dtype=np.int32, count=int(ends[-1]))
        counts = sparse.csr_matrix(
            (np.ones(len(indices), dtype=np.float32), indices, ends), shape=(len(tokens), len(self.terms))
        )
        counts.sum_duplicates()
        return TermCounts(counts, np.array([len(row) for row in tokens], dtype=np.float32))


def row_blocks(n_docs: int, n_labels: int, block: int | None = None) -> Iterator[slice]:
    """Rows in blocks whose dense (rows, n_labels) float32 scores take about 16 MB."""
    size = block or max(16, min(2048, 4_000_000 // max(1, n_labels)))
    for start in range(0, n_docs, size):
        yield slice(start, min(n_docs, start + size))


def collect(blocks: Iterable[tuple[slice, FloatArray]], k: int, *, positive: bool = False) -> Scored:
    """Best k of dense score blocks, as one `Scored`; with `positive`, zero scores are left out."""
    label_idx, score = [], []
    for _, dense in blocks:
        best = top_k(dense, k)
        if positive:
            empty = best.score <= 0
            best.label_idx[empty] = -1
            best.score[empty] = -np.inf
        label_idx.append(best.label_idx)
        score.append(best.score)
    if not label_idx:
        return Scored(np.zeros((0, k), np.int32), np.zeros((0, k), np.float32))
    return Scored(np.concatenate(label_idx), np.concatenate(score))


def _saturated(counts: TermCounts, average: float) -> sparse.csr_matrix:
    """Apply BM25's saturation and length norm: tf (k1 + 1) / (tf + k1 (1 - b + b length / average))."""
    tf = counts.counts.copy()
    norm = K1 * (1 - B + B * counts.lengths / average)
    tf.data = tf.data * (K1 + 1) / (tf.data + np.repeat(norm, np.diff(tf.indptr)))
    return tf


def _log_tf(counts: sparse.csr_matrix) -> sparse.csr_matrix:
    out = counts.copy()
    out.data = 1 + np.log(out.data)
    return out


def _divide_rows(matrix: sparse.csr_matrix, by: FloatArray) -> sparse.csr_matrix:
    out = matrix.tocsr().astype(np.float32)
    out.data /= np.repeat(np.maximum(by, 1e-6).astype(np.float32), np.diff(out.indptr))
    return out


def _unit_rows(matrix: sparse.csr_matrix) -> sparse.csr_matrix:
    squares = matrix.copy()
    squares.data = squares.data**2
    return _divide_rows(matrix, np.sqrt(np.asarray(squares.sum(axis=1)).ravel()))


def _scale_columns(matrix: sparse.csr_matrix, by: FloatArray) -> sparse.csr_matrix:
    out = matrix.tocsr().copy()
    out.data = out.data * by[out.indices]
    return out


def _csr_parts(name: str, matrix: sparse.csr_matrix) -> dict[str, Any]:
    return {f"{name}_data": matrix.data, f"{name}_indices": matrix.indices, f"{name}_indptr": matrix.indptr}


def _csr_of(name: str, data: Mapping[str, Any], n_terms: int) -> sparse.csr_matrix:
    indptr = data[f"{name}_indptr"]
    return sparse.csr_matrix(
        (data[f"{name}_data"], data[f"{name}_indices"], indptr), shape=(len(indptr) - 1, n_terms)
    )
