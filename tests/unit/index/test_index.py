from __future__ import annotations

import hashlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lmtx.errors import InputError, JobCancelled, LockedError, ShapeError
from lmtx.index import ChromaIndex
from lmtx.journal import Journal
from lmtx.types import Decision, Document, FloatArray, Judgment, Label

Open = Callable[..., ChromaIndex]
DIM = 16


def vector(text: str) -> FloatArray:
    """A unit vector that is always the same for a text: the sum of one random vector a word."""
    parts = [
        np.random.default_rng(int(hashlib.sha256(word.encode()).hexdigest()[:8], 16)).normal(size=DIM)
        for word in text.lower().split()
    ]
    total = np.sum(parts, axis=0)
    return (total / np.linalg.norm(total)).astype(np.float32)


class Embed:
    """Embeds, and remembers what it was asked to embed."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def documents(self, documents: Sequence[Document]) -> FloatArray:
        self.asked += [d.id for d in documents]
        return np.stack([vector(d.full_text) for d in documents])

    def labels(self, labels: Sequence[Label]) -> FloatArray:
        self.asked += [x.id for x in labels]
        return np.stack([vector(x.name) for x in labels])


DOCUMENTS = [
    Document("d0", "", "solar power on the roof"),
    Document("d1", "", "wind power at sea"),
    Document("d2", "", "coffee and cake"),
    Document("d3", "", "tax on coffee", split="test"),
]
LABELS = [
    Label("energy", "power", "", ("fuel",)),
    Label("food", "coffee"),
    Label("law", "tax", "", (), ("energy",)),
]


def judge(document: Document, label: Label, verdict: str) -> Judgment:
    return Judgment(document.id, label.id, verdict, 0.5, "k", document.hash, label.hash)  # type: ignore[arg-type]


def accept(document: str, label: str) -> Decision:
    return Decision(document, label, "accept", "ann")


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    opened = Journal(f"sqlite:///{tmp_path}/journal.db")
    opened.put_documents(DOCUMENTS, lambda d: "test" if d.split == "test" else "train")
    opened.put_labels(LABELS)
    opened.append_judgments(
        [
            judge(DOCUMENTS[0], LABELS[0], "yes"),
            judge(DOCUMENTS[0], LABELS[1], "no"),
            judge(DOCUMENTS[1], LABELS[0], "yes"),
            judge(DOCUMENTS[2], LABELS[1], "unparsed"),
        ]
    )
    yield opened
    opened.close()


@pytest.fixture
def embed() -> Embed:
    return Embed()


@pytest.fixture
def open_index(tmp_path: Path, journal: Journal) -> Iterator[Callable[..., ChromaIndex]]:
    opened: list[ChromaIndex] = []

    def make(key: str = "encoder-1", journal: Journal = journal) -> ChromaIndex:
        index = ChromaIndex(tmp_path / "chroma", journal, encoder_key=key)
        opened.append(index)
        return index

    yield make
    for index in opened:
        index.close()


def follow(index: ChromaIndex, embed: Embed) -> int:
    return index.sync(embed.documents, embed.labels)


def test_an_empty_index_answers(open_index: Open) -> None:
    index = open_index()
    assert index.try_own()
    assert index.try_own()
    assert index.probe()
    assert index.counts() == {"documents": 0, "labels": 0}
    assert index.behind()
    assert index.search_documents(vector("power")) == []
    assert index.similar_documents("d0", 3) == []
    assert index.item("d0") is None


def test_sync_puts_documents_with_their_pairs_and_labels(open_index: Open, embed: Embed) -> None:
    index = open_index()
    calls: list[tuple[int, int]] = []
    assert index.sync(embed.documents, embed.labels, lambda done, total, _: calls.append((done, total))) == 7
    assert calls == [(0, 7), (7, 7)]
    assert index.counts() == {"documents": 4, "labels": 3}
    item = index.item("d0")
    assert item is not None
    assert item["text"] == DOCUMENTS[0].full_text
    assert (item["proposed"], item["declined"], item["accepted"]) == (["energy"], ["food"], [])
    assert item["pairs"][0] == {
        "label": "energy",
        "state": "proposed",
        "verdict": "yes",
        "probability": 0.5,
        "teacher": "k",
        "decision": None,
        "reviewer": None,
    }
    assert not index.behind()
    assert follow(index, embed) == 0


def test_only_what_changed_is_written_and_only_new_texts_are_embedded(
    open_index: Open, journal: Journal, embed: Embed
) -> None:
    index = open_index()
    follow(index, embed)
    embed.asked.clear()
    journal.append_decisions([accept("d0", "law")])
    assert index.behind()
    assert follow(index, embed) == 1
    assert embed.asked == []
    journal.put_documents([replace(DOCUMENTS[1], text="nuclear power")], lambda d: "train")
    assert follow(index, embed) == 1
    assert embed.asked == ["d1"]
    item = index.item("d1")
    assert item is not None
    assert (item["text"], item["proposed"]) == ("nuclear power", [])
    assert index.search_documents(vector("nuclear power"), 1)[0] == ("d1", pytest.approx(1.0, abs=1e-5))


def test_the_last_label_of_a_state_is_cleared(open_index: Open, journal: Journal, embed: Embed) -> None:
    index = open_index()
    (seq,) = journal.append_decisions([accept("d2", "food")])
    follow(index, embed)
    assert [hit[0] for hit in index.search_documents(vector("x"), accepted="food")] == ["d2"]
    journal.retract("ann", seqs=[seq])
    follow(index, embed)
    assert index.search_documents(vector("x"), accepted="food") == []
    item = index.item("d2")
    assert item is not None
    assert (item["accepted"], item["unparsed"]) == ([], ["food"])
    journal.delete_labels(["energy", "food"])
    follow(index, embed)
    item = index.item("d0")
    assert item is not None
    assert (item["proposed"], item["pairs"]) == ([], [])
    assert index.counts()["labels"] == 1


def test_search_filters(open_index: Open, journal: Journal, embed: Embed) -> None:
    index = open_index()
    journal.append_decisions([accept("d3", "food"), Decision("d0", "food", "reject", "ann")])
    follow(index, embed)
    query = vector("power")
    found = index.search_documents(query, 10)
    assert [hit[0] for hit in found][:2] in (["d0", "d1"], ["d1", "d0"])
    assert [similarity for _, similarity in found] == sorted((s for _, s in found), reverse=True)
    expected = float(vector(DOCUMENTS[0].full_text) @ query)
    assert dict(found)["d0"] == pytest.approx(expected, abs=1e-5)
    assert len(index.search_documents(query, 2)) == 2
    assert index.search_documents(query, 0) == []
    assert {hit[0] for hit in index.search_documents(query, proposed="energy")} == {"d0", "d1"}
    assert [hit[0] for hit in index.search_documents(query, proposed="energy", rejected="food")] == ["d0"]
    assert [hit[0] for hit in index.search_documents(query, accepted="food", role="test")] == ["d3"]
    assert index.search_documents(query, accepted="food", role=["train", "held_out"]) == []
    assert [hit[0] for hit in index.search_documents(query, unparsed="food")] == ["d2"]
    assert index.search_documents(query, declined="food") == []
    assert index.search_labels(vector("tax"), 1) == [("law", pytest.approx(1.0, abs=1e-5))]
    assert "d0" not in dict(index.similar_documents("d0", 10))
    assert len(index.similar_documents("d0", 2)) == 2


def test_deleted_documents_are_removed_and_come_back(
    open_index: Open, journal: Journal, embed: Embed
) -> None:
    index = open_index()
    follow(index, embed)
    journal.delete_documents(["d0", "d1"])
    follow(index, embed)
    assert index.counts()["documents"] == 2
    assert index.item("d0") is None
    journal.put_documents([DOCUMENTS[0]], lambda d: "train")
    follow(index, embed)
    item = index.item("d0")
    assert item is not None
    assert item["proposed"] == ["energy"]


def test_completion_is_followed(open_index: Open, journal: Journal, embed: Embed) -> None:
    index = open_index()
    journal.append_decisions([Decision("d0", None, "complete", "ann")])
    follow(index, embed)
    item = index.item("d0")
    assert item is not None
    assert item["completed"] is True


def test_what_was_followed_outlasts_the_process(open_index: Open, journal: Journal, embed: Embed) -> None:
    first = open_index()
    follow(first, embed)
    first.close()
    second = open_index()
    assert second.try_own()
    assert not second.behind()
    assert follow(second, embed) == 0
    assert second.search_documents(vector("coffee and cake"), 1)[0][0] == "d2"


def test_many_items_are_followed_in_steps(open_index: Open, journal: Journal, embed: Embed) -> None:
    journal.put_documents(
        (Document(f"m{i}", "", f"number {i}") for i in range(2300)), lambda d: "train", source="many"
    )
    index = open_index()
    calls: list[int] = []

    def cancel(done: int, total: int, message: str) -> None:
        calls.append(done)
        if done >= 1000:
            raise JobCancelled("enough")

    with pytest.raises(JobCancelled):
        index.sync(embed.documents, embed.labels, cancel)
    assert index.counts()["documents"] == 1000
    index.close()
    again = open_index()
    embed.asked.clear()
    assert follow(again, embed) == 1304
    assert len(embed.asked) == 1304
    assert again.counts() == {"documents": 2304, "labels": 3}


def test_another_encoder_starts_anew(open_index: Open, embed: Embed) -> None:
    first = open_index()
    follow(first, embed)
    first.close()
    second = open_index("encoder-2")
    assert second.try_own()
    assert second.counts() == {"documents": 0, "labels": 0}
    embed.asked.clear()
    assert follow(second, embed) == 7
    assert len(embed.asked) == 7


def test_another_journal_starts_anew(open_index: Open, embed: Embed, tmp_path: Path) -> None:
    first = open_index()
    follow(first, embed)
    first.close()
    other = Journal(f"sqlite:///{tmp_path}/other.db")
    second = open_index(journal=other)
    assert second.try_own()
    assert second.counts() == {"documents": 0, "labels": 0}
    assert follow(second, embed) == 0
    other.close()


def test_a_journal_that_was_put_back_starts_anew(
    open_index: Open, journal: Journal, embed: Embed, tmp_path: Path
) -> None:
    first = open_index()
    follow(first, embed)
    journal.close()
    copy = (tmp_path / "journal.db").read_bytes()
    journal.append_decisions([accept("d0", "law")])
    follow(first, embed)
    first.close()
    journal.close()
    for name in ("journal.db-wal", "journal.db-shm"):
        (tmp_path / name).unlink(missing_ok=True)
    (tmp_path / "journal.db").write_bytes(copy)
    second = open_index(journal=Journal(f"sqlite:///{tmp_path}/journal.db"))
    assert second.try_own()
    assert follow(second, embed) == 7
    item = second.item("d0")
    assert item is not None
    assert item["accepted"] == []


def test_items_that_got_lost_start_anew(open_index: Open, embed: Embed) -> None:
    first = open_index()
    follow(first, embed)
    first._documents.delete(ids=["d1"])
    first.close()
    second = open_index()
    assert second.try_own()
    assert follow(second, embed) == 7
    assert second.counts() == {"documents": 4, "labels": 3}


@pytest.mark.parametrize("damage", ["database", "segments", "no database"])
def test_a_broken_folder_starts_anew(open_index: Open, embed: Embed, tmp_path: Path, damage: str) -> None:
    first = open_index()
    follow(first, embed)
    first.close()
    folder = tmp_path / "chroma"
    database = folder / "chroma.sqlite3"
    if damage == "database":
        database.write_bytes(b"not a database at all" * 1000)
    elif damage == "no database":
        database.unlink()
    else:
        import sqlite3

        with sqlite3.connect(database) as conn:
            conn.execute("DROP TABLE embeddings")
        conn.close()
    second = open_index()
    assert second.try_own()
    assert follow(second, embed) == 7
    assert second.probe()
    assert second.search_documents(vector("coffee and cake"), 1)[0][0] == "d2"


def test_rebuild(open_index: Open, embed: Embed) -> None:
    index = open_index()
    follow(index, embed)
    index._labels.delete(ids=["law"])
    assert index.rebuild(embed.documents, embed.labels) == 7
    assert index.counts() == {"documents": 4, "labels": 3}
    assert index.probe()


def test_one_owner(open_index: Open, embed: Embed) -> None:
    first, second = open_index(), open_index()
    assert first.try_own()
    assert not second.try_own()
    with pytest.raises(LockedError, match="another process"):
        follow(second, embed)
    first.close()
    assert second.try_own()


def test_a_killed_owner_frees_the_folder(open_index: Open, tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from lmtx.journal import Journal; "
        "from lmtx.index import ChromaIndex; "
        f"index = ChromaIndex(Path({str(tmp_path / 'chroma')!r}), "
        f"Journal('sqlite:///{tmp_path}/journal.db'), encoder_key='encoder-1'); "
        "print(index.try_own(), flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline().strip() == "True"
        index = open_index()
        assert not index.try_own()
        owner.kill()
        owner.wait()
    assert index.try_own()
    assert index.probe()


def test_vectors_of_the_wrong_shape_are_refused(open_index: Open) -> None:
    def wrong(items: Sequence[object]) -> FloatArray:
        return np.zeros((1, 3), dtype=np.float32)

    with pytest.raises(ShapeError, match=r"\(4, dim\)"):
        open_index().sync(wrong, wrong)


def test_any_tool_can_open_the_collections(open_index: Open, embed: Embed, tmp_path: Path) -> None:
    index = open_index()
    follow(index, embed)
    index.close()
    import chromadb

    client = chromadb.PersistentClient(
        str(tmp_path / "chroma"), settings=chromadb.Settings(anonymized_telemetry=False)
    )
    found = client.get_collection("documents").get(where={"proposed": {"$contains": "energy"}})
    assert sorted(found["ids"]) == ["d0", "d1"]
    client.close()


def test_a_text_without_vector_is_refused_not_embedded_by_a_download(open_index: Open) -> None:
    index = open_index()
    index.try_own()
    with pytest.raises(Exception, match="Pass vectors"):
        index._documents.add(ids=["x"], documents=["a text"])


def test_the_journal_alone_imports_no_heavy_package() -> None:
    code = (
        "import sys; import lmtx.journal; from lmtx.index import ChromaIndex; "
        "heavy = {'chromadb', 'torch', 'sentence_transformers', 'streamlit'} & set(sys.modules); "
        "print(sorted(heavy))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# A server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    program = Path(sys.executable).parent / "chroma"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder = tmp_path_factory.mktemp("server")
    command = [str(program), "run", "--path", str(folder), "--host", "127.0.0.1", "--port", str(port)]
    with subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "ANONYMIZED_TELEMETRY": "False"},
    ) as process:
        for _ in range(300):
            with socket.socket() as client:
                if client.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
        process.terminate()


def test_with_a_server_all_processes_search_and_follow(
    server: str,
    open_index: Open,
    journal: Journal,
    embed: Embed,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("LMTX_CHROMA_URL", server)
    first, second = open_index(), open_index()
    assert first.try_own()
    assert second.try_own()
    assert follow(first, embed) == 7
    assert follow(second, embed) == 0
    assert second.search_documents(vector("coffee and cake"), 1)[0][0] == "d2"
    journal.append_judgments([judge(DOCUMENTS[2], LABELS[0], "no")])
    assert follow(second, embed) == 1
    assert follow(first, embed) == 0
    other = Journal(f"sqlite:///{tmp_path}/other.db")
    third = ChromaIndex(tmp_path / "elsewhere", other, encoder_key="encoder-1")
    assert third.try_own()
    assert third.counts() == {"documents": 0, "labels": 0}
    third.close()
    other.close()
    assert first.rebuild(embed.documents, embed.labels) == 7
    assert second.counts() == {"documents": 4, "labels": 3}


def test_a_wrong_server_address_is_told(open_index: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LMTX_CHROMA_URL", "localhost:8000")
    with pytest.raises(InputError, match="LMTX_CHROMA_URL"):
        open_index().try_own()
