"""A reranker that learns from decisions where its yes begins."""

from __future__ import annotations

import json

import numpy as np
import pytest

from lmtx.errors import InputError, NotFoundError
from lmtx.ingest import UploadedBytes
from lmtx.teacher.cross_encoder import raw_score
from lmtx.types import Decision
from lmtx.workspace import Workspace
from tests.unit.teacher import tiny_models

N, N_LABELS = 60, 6


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    folder = tmp_path_factory.mktemp("calibrating")
    model = tiny_models.reranker(folder / "reranker")
    rows = [
        {
            "id": f"d{i}",
            "title": f"topic{i % N_LABELS}",
            "text": f"On number {i}, {'long ' * (i % 9)}",
        }
        for i in range(N)
    ]
    labels = [{"id": f"l{i}", "name": f"topic{i}"} for i in range(N_LABELS)]
    made = Workspace.create(folder / "w", reserve_share=0.2)
    made.import_labels(UploadedBytes("labels.jsonl", "\n".join(map(json.dumps, labels)).encode()))
    made.import_corpus(UploadedBytes("corpus.jsonl", "\n".join(map(json.dumps, rows)).encode()))
    made.teach(f"cross-encoder:{model},document_tokens=64", top_k=N_LABELS)
    return made


def test_decisions_move_the_verdicts_and_no_model_is_asked(workspace: Workspace) -> None:
    (row,) = workspace.journal.teachers()
    judged = workspace.journal.judgments_of(row.key)
    assert len(judged) == row.n_judgments > 200
    assert (
        list(workspace.journal.judgments_of(row.key, after_seq=min(judged), limit=3)) == sorted(judged)[1:4]
    )
    with pytest.raises(InputError, match="Decide 50 more"):
        workspace.calibrate(row.key)

    # People want far fewer pairs than it calls yes: those of the highest scores.
    scores = {(j.document_id, j.label_id): raw_score(j.raw) or 0.0 for j in judged.values()}
    limit = float(np.quantile(list(scores.values()), 0.85))
    decided = list(scores)[:120]
    workspace.decide(
        [Decision(d, x, "accept" if scores[d, x] > limit else "reject", "Ada") for d, x in decided]
    )
    asked = row.tokens
    spec = workspace.calibrate(row.key)
    assert spec == workspace.settings.teacher != row.spec
    old, new = workspace.journal.teachers()
    assert (old.tokens, new.tokens, new.n_judgments) == (asked, 0, old.n_judgments)
    now = workspace.journal.judgments_of(new.key)
    agree = [(scores[j.document_id, j.label_id] > limit) == (j.verdict == "yes") for j in now.values()]
    before = [(scores[j.document_id, j.label_id] > limit) == (j.verdict == "yes") for j in judged.values()]
    assert np.mean(agree) > 0.95 > np.mean(before)
    assert np.mean([j.verdict == "yes" for j in now.values()]) == pytest.approx(0.15, abs=0.06)
    # What is the teacher's opinion now follows.
    pairs = [p for p in workspace.journal.pair_states("d1") if p.decision is None]
    assert {p.teacher_key for p in pairs} <= {new.key}

    workspace.calibrate(row.key)  # again, with nothing new: the same teacher, and no second verdict
    assert len(workspace.journal.judgments_of(new.key)) == len(now)
    assert workspace.journal.teachers()[1].n_judgments == new.n_judgments


def test_what_has_no_scores_is_not_calibrated(workspace: Workspace) -> None:
    with pytest.raises(NotFoundError, match="judged nothing here"):
        workspace.calibrate("0" * 32)
    workspace.teach("evidence", top_k=3, limit_docs=5)
    key = next(t.key for t in workspace.journal.teachers() if t.spec == "evidence")
    with pytest.raises(InputError, match="Only rerankers"):
        workspace.calibrate(key)
