"""The real corpora read without issues, but for texts that occur twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from lmtx.ingest import Issue, preview, read_documents, read_labels

pytestmark = pytest.mark.corpus


@pytest.mark.parametrize(
    ("name", "n_docs", "n_test", "n_labels"), [("debtags", 28120, 6964, 579), ("congress", 13807, 3436, 4252)]
)
def test_corpus(data_folder: Path, name: str, n_docs: int, n_test: int, n_labels: int) -> None:
    issues: list[Issue] = []
    documents = list(read_documents(data_folder / name / "corpus.jsonl.gz", on_issue=issues.append))
    labels = list(read_labels(data_folder / name / "labels.jsonl.gz", on_issue=issues.append))
    assert (len(documents), len(labels)) == (n_docs, n_labels)
    assert sum(d.split == "test" for d in documents) == n_test
    assert {issue.severity for issue in issues} <= {"warning"}
    known = {label.id for label in labels}
    assert {label for d in documents for label in d.labels or ()} <= known
    english = sum(d.language == "en" for d in documents)
    assert english > 0.98 * n_docs


def test_preview(data_folder: Path) -> None:
    shown = preview(data_folder / "debtags" / "corpus.jsonl.gz", "corpus")
    assert shown.columns == ["id", "title", "text", "split", "labels"]
    assert shown.n_rows is None
