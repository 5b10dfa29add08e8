"""Labels that came, changed or went after a training, in a workspace with a trained run."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict

import numpy as np

from lmtx.ingest import UploadedBytes
from lmtx.student import Adapter
from lmtx.types import Label, Pairs, unit_hash
from lmtx.workspace import Workspace

Copy = Callable[[], Workspace]
NEW = Label("new", "Beekeeping", "Keeping bees, hives and honey.")
TEXT = "A beekeeping diary: a year of hives, swarms and honey."


def imported(workspace: Workspace, labels: list[Label], *, delete_missing: bool = False) -> None:
    rows = "\n".join(json.dumps(asdict(x)) for x in labels)
    workspace.import_labels(UploadedBytes("labels.jsonl", rows.encode()), delete_missing=delete_missing)


def test_a_label_that_came_after_the_training_is_tagged_at_once(copied: Copy) -> None:
    with copied() as workspace:
        run = workspace.journal.promoted()
        assert "new" not in {tag.label_id for tag in workspace.predict([TEXT])[0]}
        before = workspace.evaluate()
        imported(workspace, [NEW])
        first = workspace.predict([TEXT], words=True)[0][0]
        assert first.label_id == "new"
        assert "beekeeping" in [word.casefold() for word in first.words]
        assert abs(sum(first.parts.values()) - first.score) < 1e-3
        assert workspace.predict([TEXT], system="student")[0]
        after = workspace.evaluate()
        assert abs(after["P@1"] - before["P@1"]) <= 0.03  # the others are ranked as they were
        assert workspace.journal.promoted() == run  # nothing was trained


def test_a_reviewer_is_shown_a_new_label(copied: Copy) -> None:
    with copied() as workspace:
        workspace.next_documents("default", "Ada")  # the queue has the old labels in its memory
        rows = json.dumps({"id": "bees", "title": "A beekeeping diary", "text": TEXT, "split": "train"})
        workspace.import_corpus(UploadedBytes("more.jsonl", rows.encode()))
        imported(workspace, [NEW])
        assert workspace.document_detail("bees").predictions[0].label_id == "new"
        workspace.review_item("bees")  # by the tagger that is there, while the new one loads
        end = time.monotonic() + 30
        while (shown := workspace.review_item("bees").candidates[0].label_id) != "new":
            assert time.monotonic() < end, f"{shown} is shown first"
            time.sleep(0.1)


def test_a_deleted_label_takes_no_place_and_a_renamed_one_answers_to_its_new_name(copied: Copy) -> None:
    with copied() as workspace:
        labels = list(workspace.journal.corpus().labels)
        document = workspace.journal.corpus().documents[0].full_text
        gone = workspace.predict([document])[0][0].label_id
        left = [Label(x.id, NEW.name, NEW.description) if x.id == labels[-1].id else x for x in labels]
        imported(workspace, [x for x in left if x.id != gone], delete_missing=True)
        tags = workspace.predict([document], top_k=len(labels))[0]
        assert len(tags) == len(labels) - 1
        assert gone not in {tag.label_id for tag in tags}
        renamed = labels[-1].id if labels[-1].id != gone else labels[-2].id
        assert renamed in {tag.label_id for tag in workspace.predict([TEXT])[0]}


def test_labels_without_examples_are_ranked_no_worse_than_by_the_encoder(copied: Copy) -> None:
    """P@1 among a fifth of the labels that the student has never seen, on documents of split test."""
    with copied() as workspace:
        view = workspace.journal.corpus()
        labels = workspace._parts.label_vectors(view.labels)
        vectors = workspace._parts.document_vectors(view.documents)
        gold = {**workspace.journal.gold("train"), **workspace.journal.gold("test")}
    wanted = np.zeros((len(view.documents), len(view.labels)), dtype=bool)
    for i, document in enumerate(view.documents):
        wanted[i, [view.label_idx[x] for x in gold.get(document.id, ()) if x in view.label_idx]] = True
    test = np.array([role == "test" for role in view.roles])
    cosine = vectors @ labels.T
    near = cosine >= np.sort(cosine, axis=1)[:, -12:-11]  # what a teacher would have been asked
    worse = []
    for seed in range(3):
        hidden = np.array([unit_hash(str(seed), "hidden", x.id) < 0.2 for x in view.labels])
        asked = (near | wanted) & ~hidden & ~test[:, None]
        rows, columns = np.nonzero(asked)
        target = wanted[rows, columns].astype(np.float32)
        pairs = Pairs(rows.astype(np.int32), columns.astype(np.int32), target, np.ones_like(target))
        student = Adapter.fit(vectors, labels, pairs)
        learned = student.project_documents(vectors) @ student.project_labels(labels).T
        there = test & wanted[:, hidden].any(axis=1)
        found = [
            wanted[there][:, hidden][np.arange(there.sum()), score[there][:, hidden].argmax(axis=1)].mean()
            for score in (learned, cosine)
        ]
        worse.append(found[1] - found[0])
    assert np.mean(worse) <= 0
