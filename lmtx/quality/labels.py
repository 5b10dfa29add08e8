"""Precision, recall and F1 of each label at a cut of the ranking."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import sparse

from lmtx.errors import InputError, ShapeError
from lmtx.types import Scored


def cut_predictions(
    scored: Scored, n_labels: int, *, top_k: int | None = None, threshold: float | None = None
) -> sparse.csr_matrix:
    """Return what a cut of the rankings predicts.

    Parameters
    ----------
    scored : Scored
        Rankings of the documents.
    n_labels : int
        Number of columns of the result.
    top_k : int, optional
        Keep at most this many labels a document.
    threshold : float, optional
        Keep labels with at least this score (in the unit of `scored.score`).

    Returns
    -------
    csr_matrix of shape (n_docs, n_labels)
        1 where the label is predicted.

    Raises
    ------
    InputError
        If neither cut is given, or `top_k` is below 1.
    """
    if top_k is None and threshold is None:
        raise InputError("cut: got neither top_k nor threshold, expected at least one. Give a cut.")
    if top_k is not None and top_k < 1:
        raise InputError(f"top_k: got {top_k}, expected 1 or more. Give a larger cut.")
    ranked = np.asarray(scored.label_idx)
    keep = ranked >= 0
    if top_k is not None:
        keep &= np.arange(ranked.shape[1])[None, :] < top_k
    if threshold is not None:
        keep &= np.asarray(scored.score) >= threshold
    rows = np.nonzero(keep)[0]
    ones = np.ones(len(rows), dtype=np.int8)
    return sparse.csr_matrix((ones, (rows, ranked[keep])), shape=(ranked.shape[0], n_labels))


def label_quality(
    predicted: sparse.csr_matrix,
    gold: sparse.csr_matrix,
    label_ids: Sequence[str] | None = None,
    names: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Precision, recall, F1, support and number of predictions of each label.

    Parameters
    ----------
    predicted, gold : csr_matrix of shape (n_docs, n_labels)
        Binary; `cut_predictions` makes the first.
    label_ids, names : sequences of str, optional
        Of the columns; row numbers as text where left out.

    Returns
    -------
    DataFrame
        label_id, name, precision, recall, f1, support, n_predicted, n_correct; a row a
        label, in column order. Precision is NaN where nothing was predicted, recall
        where there is no gold, F1 where there is neither: nothing is known there.

    Raises
    ------
    ShapeError
        If the shapes differ.
    """
    if predicted.shape != gold.shape:
        raise ShapeError(f"predicted has shape {predicted.shape}, gold {gold.shape}; expected the same.")
    n_labels = gold.shape[1]
    predicted = (sparse.csr_matrix(predicted) > 0).astype(np.int64)
    gold = (sparse.csr_matrix(gold) > 0).astype(np.int64)
    n_predicted = np.asarray(predicted.sum(axis=0)).ravel()
    support = np.asarray(gold.sum(axis=0)).ravel()
    correct = np.asarray(predicted.multiply(gold).sum(axis=0)).ravel()
    with np.errstate(invalid="ignore", divide="ignore"):
        precision = np.where(n_predicted > 0, correct / n_predicted, np.nan)
        recall = np.where(support > 0, correct / support, np.nan)
        f1 = np.where(n_predicted + support > 0, 2 * correct / (n_predicted + support), np.nan)
    ids = list(label_ids) if label_ids is not None else [str(i) for i in range(n_labels)]
    return pd.DataFrame(
        {
            "label_id": ids,
            "name": list(names) if names is not None else ids,
            "precision": precision,
            "recall": recall,
            "f1": f1,
            "support": support,
            "n_predicted": n_predicted,
            "n_correct": correct,
        }
    )
