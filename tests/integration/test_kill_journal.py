"""A killed writer loses nothing that was acknowledged, and leaves nothing half done."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from lmtx.index import ChromaIndex
from lmtx.journal import Journal
from lmtx.types import Document, FloatArray, Label

N_DOCUMENTS, N_LABELS, BATCH = 200, 50, 64

WRITER = """
import sys
from lmtx.journal import Journal
from lmtx.types import Decision, Judgment
journal = Journal(sys.argv[1])
view = journal.corpus()
documents, labels = journal.corpus_hashes()
known = journal.known_verdicts("k")
print("start", flush=True)
n = journal.counts()["judgments"] // 64
while True:
    batch = []
    for i in range(64):
        d, x = divmod(n * 64 + i, 50)
        d %= 200
        batch.append(Judgment(view.documents[d].id, view.labels[x].id, "yes" if i % 3 else "no", 0.5, "k",
                              documents[d], labels[x], round=n))
    last = journal.append_judgments(batch)
    seqs = journal.append_decisions(
        [Decision(view.documents[(n + i) % 200].id, "l0", "accept", "ann", batch=f"b{n}") for i in range(5)]
        + [Decision(view.documents[n % 200].id, None, "complete", "ann", batch=f"b{n}")]
    )
    print(last, seqs[-1], flush=True)
    n += 1
"""

FOLLOWER = """
import sys
from pathlib import Path
import numpy as np
from lmtx.index import ChromaIndex
from lmtx.journal import Journal
import lmtx.index.index
lmtx.index.index._PAGE = 40  # many steps, so that a kill falls between or into them
embed = lambda items: np.random.default_rng(0).normal(size=(len(items), 16)).astype(np.float32)
index = ChromaIndex(Path(sys.argv[2]), Journal(sys.argv[1]), encoder_key="e")
assert index.try_own()
print("start", flush=True)
while True:
    index.rebuild(embed, embed)
"""


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    journal = Journal(f"sqlite:///{tmp_path}/journal.db")
    journal.put_documents(
        (Document(f"d{i}", f"Title {i}", f"text {i}") for i in range(N_DOCUMENTS)), lambda d: "train"
    )
    journal.put_labels([Label(f"l{i}", f"label {i}") for i in range(N_LABELS)])
    return journal


def run_and_kill(code: str, arguments: list[str], seconds: float) -> list[str]:
    """Start Python, kill it that long after it said "start"; returns the lines it wrote after that."""
    with subprocess.Popen(
        [sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == "start"
        time.sleep(seconds)
        process.send_signal(signal.SIGKILL)
        out = process.stdout.read()
        assert process.wait() == -signal.SIGKILL
    whole = out[: out.rfind("\n") + 1]  # the last line may be cut
    return whole.splitlines()


def test_every_acknowledged_batch_is_there(journal: Journal) -> None:
    moments = random.Random(0)
    judged = decided = 0
    for _ in range(8):
        for line in run_and_kill(WRITER, [journal.url], moments.uniform(0.02, 0.6)):
            judged, decided = (int(n) for n in line.split())
        counts = journal.counts()
        assert counts["judgments"] >= judged
        assert counts["decisions"] >= decided
        # At most the one batch that was under way is there beyond that, and it is there whole.
        assert counts["judgments"] in (judged, judged + BATCH)
        assert counts["decisions"] in (decided, decided + 6)
        check(journal)
        judged, decided = counts["judgments"], counts["decisions"]
    assert judged > BATCH * 8, "the writer was killed too early to test anything"


def check(journal: Journal) -> None:
    counts = journal.counts()
    decisions = journal.decisions(limit=None)
    assert [d.seq for d in decisions] == list(range(1, counts["decisions"] + 1))
    by_batch: dict[str, int] = {}
    for decision in decisions:
        by_batch[decision.batch] = by_batch.get(decision.batch, 0) + 1
    assert set(by_batch.values()) <= {6}
    frame = journal.pairs_frame()
    assert {k: n for k, n in journal.pair_counts().items() if n} == frame["state"].value_counts().to_dict()
    expected = {
        (f"d{(n + i) % N_DOCUMENTS}", "l0") for n in (int(name[1:]) for name in by_batch) for i in range(5)
    }
    accepted = frame[frame["state"] == "accepted"]
    assert set(zip(accepted.document_id, accepted.label_id, strict=True)) == expected
    judged = {(i // N_LABELS % N_DOCUMENTS, i % N_LABELS) for i in range(counts["judgments"])}
    assert counts["judged_pairs"] == len(judged)
    assert len(journal.known_verdicts("k")) == len(judged)


@pytest.mark.slow
def test_a_killed_follower_leaves_an_index_that_heals(journal: Journal, tmp_path: Path) -> None:
    def embed(items: object) -> FloatArray:
        n = len(items)  # type: ignore[arg-type]
        return np.random.default_rng(0).normal(size=(n, 16)).astype(np.float32)

    moments = random.Random(1)
    for _ in range(3):
        run_and_kill(FOLLOWER, [journal.url, str(tmp_path / "chroma")], moments.uniform(0.05, 0.8))
        index = ChromaIndex(tmp_path / "chroma", journal, encoder_key="e")
        assert index.try_own()
        index.sync(embed, embed)
        assert index.probe()
        assert index.counts() == {"documents": N_DOCUMENTS, "labels": N_LABELS}
        assert not index.behind()
        index.close()
