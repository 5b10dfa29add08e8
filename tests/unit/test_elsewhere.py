"""Judging elsewhere, with a real workspace and a real model: out, judged, killed, resumed, and in."""

from __future__ import annotations

import errno
import functools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from lmtx.cli import main
from lmtx.errors import ConsentError, InputError, LockedError, NothingToDoError, StorageError, TeacherError
from lmtx.ingest import UploadedBytes
from lmtx.jobs import VERBS
from lmtx.teacher import TeacherContext, load_teacher
from lmtx.teacher.elsewhere import VerdictsFile, judge_file, teacher_of, verdicts_path
from lmtx.teacher.language_model import LanguageModel
from lmtx.teacher.lines import parse
from lmtx.teacher.requests_file import VerdictLine, read_requests
from lmtx.worker import call_verb
from lmtx.workspace import Workspace

LABELS = [
    {"id": "L1", "name": "Lighthouses", "description": "Towers that guide ships.", "aliases": ["Beacons"]},
    {"id": "L2", "name": "Gardens", "description": "Growing plants."},
    {"id": "L3", "name": "Bread"},
    {"id": "L4", "name": "Çay & “tea”"},
]
SUBJECTS = [
    "a lighthouse on a cliff",
    "roses in a walled garden",
    "sourdough bread",
    "green tea from Rize, çay",
]
N_DOCS = 8


def upload(rows: list[dict[str, Any]], name: str = "file.jsonl") -> UploadedBytes:
    return UploadedBytes(name, "\n".join(json.dumps(r, ensure_ascii=False) for r in rows).encode())


def documents(n: int = N_DOCS) -> list[dict[str, Any]]:
    return [{"id": f"d{i}", "text": f"Text {i} is about {SUBJECTS[i % 4]}."} for i in range(n)]


def records(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def loaded_once() -> Callable[..., Any]:
    """Loads a model once for all tests here; that takes longer than the questions."""
    return functools.cache(LanguageModel)


@pytest.fixture
def one_thread(loaded_once: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A model is asked on one thread: two that wait for each other crawl on a machine under load."""
    monkeypatch.setattr("lmtx.teacher.language_model.LanguageModel", loaded_once)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Workspace]]:
    opened = []

    def call(name: str = "w", rows: list[dict[str, Any]] | None = None) -> Workspace:
        made = Workspace.create(tmp_path / name, reserve_share=0.0, held_out_share=0.0)
        made._parts._own_index = False
        made.import_labels(upload(LABELS))
        made.import_corpus(upload(documents() if rows is None else rows))
        opened.append(made)
        return made

    yield call
    for workspace in opened:
        workspace.close()


@pytest.fixture
def workspace(make: Callable[..., Workspace]) -> Workspace:
    return make()


def command_line(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, Any]:
    capsys.readouterr()
    with pytest.raises(SystemExit) as left:
        main([*map(str, arguments), "--json"])
    out, err = capsys.readouterr()
    assert left.value.code == 0, err
    found = json.loads(out)
    assert isinstance(found, dict)
    return found


# ---- a language model for real --------------------------------------------------------------------


@pytest.mark.usefixtures("one_thread")
def test_out_killed_resumed_and_in(
    workspace: Workspace, language_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = f"transformers:{language_model},strategy=official,device=cpu"
    out, verdicts = tmp_path / "requests.jsonl", tmp_path / "requests.verdicts.jsonl"
    written = workspace.export_requests(out, spec, top_k=3, limit_docs=4)
    assert (written.n_documents, written.n_pairs) == (4, 12)
    header = records(out)[0]
    assert header["lmtx_requests"] == 1
    assert header["key"] == written.key
    assert header["journal"] == workspace.journal.id
    assert "Is the tag" in header["prompt"]["text"]
    pairs = {(r["document"], x) for r in records(out) if "shortlist" in r for x in r["asked"]}
    assert len(pairs) == 12

    # Killed in the middle: what was answered is there, whole lines, and asked no more.
    (tmp_path / "nowhere").mkdir()
    home = {"LMTX_HOME": str(tmp_path / "nowhere"), "OMP_NUM_THREADS": "1"}
    environment = {**os.environ, **home}
    code = "from lmtx.cli import main; main()"
    command = [sys.executable, "-c", code, "--quiet", "judge", str(out)]
    with subprocess.Popen(command, env=environment, cwd=tmp_path / "nowhere") as process:
        deadline = time.monotonic() + 120  # for a machine under load
        while process.poll() is None and time.monotonic() < deadline:
            if verdicts.exists() and len(records_whole(verdicts)) > 1:
                break
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
    before = records_whole(verdicts)[1:]
    assert 0 < len(before) < len(pairs)
    verdicts.write_bytes(verdicts.read_bytes() + b'{"document": "cut o')  # as a kill in a write leaves it
    assert not any((tmp_path / "nowhere").iterdir())
    report = command_line(capsys, "judge", out)
    assert report["n_before"] == len(before)
    assert report["n_judged"] == len(pairs) - len(before)
    assert report["n_open"] == 0
    lines = records(verdicts)[1:]
    assert lines[: len(before)] == before
    assert len({(r["document"], r["label"]) for r in lines}) == len(lines) == len(pairs)
    assert report["tokens"] == sum(r["tokens"] for r in lines[len(before) :])
    assert not Path(f"{verdicts}.lock").exists()

    # A text that changed meanwhile is left out and stays open.
    last = lines[-1]["document_id"]
    workspace.import_corpus(upload([{"id": last, "text": "Another text altogether, on tea."}]))
    settings = workspace.settings
    found = workspace.import_verdicts(verdicts)
    assert (found.n_imported, found.n_changed, found.n_unknown) == (len(pairs) - 3, 3, 0)
    assert found.tokens == sum(r["tokens"] for r in lines if r["document_id"] != last)
    assert workspace.settings == settings
    again = workspace.import_verdicts(verdicts)
    assert (again.n_imported, again.n_known) == (0, len(pairs) - 3)
    teacher = next(t for t in workspace.journal.teachers() if t.key == written.key)
    assert (teacher.spec, teacher.n_judgments) == (spec, len(pairs) - 3)

    # What came in isn't asked again.
    nothing = workspace.teach(spec, 3, 4, budget={"pairs": 0})
    assert (nothing.n_judged, nothing.n_cached, nothing.stopped) == (0, len(pairs) - 3, "pairs")
    rest = workspace.export_requests(tmp_path / "rest.jsonl", spec, top_k=3, limit_docs=4)
    assert (rest.n_documents, rest.n_pairs) == (1, 3)
    short = command_line(capsys, "judge", tmp_path / "rest.jsonl", "--budget-pairs", 2)
    assert (short["stopped"], short["n_judged"], short["n_open"]) == ("pairs", 0, 3)


def records_whole(path: Path) -> list[dict[str, Any]]:
    """Records of the whole lines, of a file that is being written."""
    data = path.read_bytes()
    return [json.loads(line) for line in data[: data.rfind(b"\n") + 1].splitlines()]


@pytest.mark.usefixtures("one_thread")
def test_own_prompts_and_examples_travel(workspace: Workspace, gguf_model: Path, tmp_path: Path) -> None:
    from lmtx.teacher.prompts import Example, save_few_shot, save_prompt
    from lmtx.types import Label

    prompts = workspace.folder / "prompts"
    mine = save_prompt(
        prompts, "mine", "{% block document %}{{ text }}{% endblock %}{% block question %}\n"
        'Is this about "{{ label.name }}"? Answer yes or no.{% endblock %}',
    )  # fmt: skip
    save_few_shot(prompts, "shots", [Example("", "Rye bread.", Label("L3", "Bread"), True)])
    spec = f"transformers:{gguf_model},prompt={mine.name},few_shot=shots,document_tokens=64,device=cpu"
    out = tmp_path / "r.jsonl"
    written = workspace.export_requests(out, spec, top_k=2, limit_docs=2)
    # The model lies elsewhere there, under the same name.
    moved = tmp_path / "models" / gguf_model.name
    moved.parent.mkdir()
    moved.symlink_to(gguf_model)
    there = teacher_of(read_requests(out).header, f"transformers:{moved},device=cuda,dtype=bfloat16")
    assert there.key == written.key
    report = judge_file(out, tmp_path / "v.jsonl")
    assert (report.n_judged, report.n_open) == (4, 0)
    assert workspace.import_verdicts(tmp_path / "v.jsonl").n_imported == 4
    judged = workspace.journal.recent_judgments(10, written.key)
    direct = load_teacher(spec, TeacherContext(prompts=prompts))
    assert direct.key == written.key
    assert all(0 <= j.probability <= 1 for j in judged if j.probability is not None)
    assert records(tmp_path / "v.jsonl")[0].keys().isdisjoint({"prompt", "few_shot"})
    # Nothing is left to judge; and another model has another key, which is told.
    assert judge_file(out, tmp_path / "v.jsonl").n_judged == 0
    other = moved.with_name("other.gguf")
    other.symlink_to(gguf_model)
    with pytest.raises(TeacherError, match=r"(?s)filed under another key.*- model: .*--teacher"):
        judge_file(out, tmp_path / "w.jsonl", override=f"transformers:{other}")
    with pytest.raises(InputError, match="document_tokens of the teacher can't be changed"):
        judge_file(out, tmp_path / "w.jsonl", override="document_tokens=32")
    assert not (tmp_path / "w.jsonl").exists()


def test_the_verbs_have_help(capsys: pytest.CaptureFixture[str]) -> None:
    for verb, word in (("export-requests", "--format"), ("judge", "--consent"), ("import-verdicts", "--map")):
        with pytest.raises(SystemExit) as left:
            main([verb, "--help"])
        assert left.value.code == 0
        assert word in capsys.readouterr().out


# ---- what is refused --------------------------------------------------------------------------------


@pytest.fixture
def asked(workspace: Workspace, tmp_path: Path) -> Path:
    """Requests to a model that is never loaded here."""
    out = tmp_path / "r.jsonl"
    workspace.export_requests(out, "transformers:someone/some-model,revision=abc", top_k=4)
    return out


def answered(asked: Path, **changes: Any) -> list[dict[str, Any]]:
    """A file of verdicts as another machine would write it; yes to all."""
    header, *rest = records(asked)
    labels = {r["id"]: r["label"] for r in rest if "label" in r}
    verdicts: list[dict[str, Any]] = [
        {
            "document": r["document"],
            "label": labels[x],
            "document_id": r["id"],
            "label_id": x,
            "verdict": "yes",
            "probability": 0.75,
            "tokens": 10,
            "raw": "yes",
            "rank": rank,
            "at": "2024-05-01T10:00:00+00:00",
        }
        for r in rest
        if "asked" in r
        for x, rank in zip(r["asked"], r["ranks"], strict=True)
    ]
    head = {k: v for k, v in header.items() if k not in ("lmtx_requests", "prompt")}
    return [{"lmtx_verdicts": 1, **head, **changes}, *verdicts]


def test_every_pair_is_counted_once(workspace: Workspace, asked: Path) -> None:
    header, *rows = answered(asked)
    rows[1] |= {"verdict": "unparsed", "probability": None, "raw": "\0maybe " * 1000}
    rows[2] |= {"document_id": "nobody"}
    rows[3] |= {"label": "0" * 32}
    report = workspace.import_verdicts(upload([header, *rows, rows[0]], "v.jsonl"))
    assert (report.n_imported, report.n_unparsed, report.n_unknown) == (len(rows) - 2, 1, 1)
    assert (report.n_changed, report.n_duplicates, report.n_known) == (1, 1, 0)
    assert report.n_yes == len(rows) - 3
    raw = next(j.raw for j in workspace.journal.recent_judgments(100) if j.verdict == "unparsed")
    assert len(raw) == 2000
    assert "\0" not in raw
    assert len(workspace.journal.known_verdicts(report.key)) == len(rows) - 2


def test_documents_kept_for_measuring_are_left_out(make: Callable[..., Workspace], tmp_path: Path) -> None:
    here, there = make("here"), make("there", [{**d, "split": "test"} for d in documents()])
    out = tmp_path / "r.jsonl"
    here.export_requests(out, "transformers:someone/some-model", top_k=4)
    report = there.import_verdicts(upload(answered(out), "v.jsonl"))
    assert (report.n_imported, report.n_reserved) == (0, 4 * N_DOCS)
    assert "another workspace" in report.warnings[0]
    assert there.journal.teachers() == []


def test_a_key_that_is_not_the_teachers_is_refused(workspace: Workspace, asked: Path) -> None:
    with pytest.raises(InputError, match="has exported no requests"):
        workspace.import_verdicts(upload(answered(asked, key="a" * 32)))
    with pytest.raises(InputError, match="that of transformers:"):
        workspace.import_verdicts(upload(answered(asked, teacher="openai:gpt,strategy=official")))
    with pytest.raises(TeacherError, match="evidence"):
        workspace.import_verdicts(upload(answered(asked, teacher="evidence")))
    lines = records(asked)
    lines[0]["key"] = "b" * 32
    asked.write_text("\n".join(map(json.dumps, lines)))
    with pytest.raises(TeacherError, match=r"its key here is .* the file's is bbbb"):
        judge_file(asked)
    lines[0]["prompt"] = {"name": "../../x.v1", "text": "x"}
    asked.write_text("\n".join(map(json.dumps, lines)))
    with pytest.raises(InputError, match=r"line 1: the header is not usable: prompt\.name"):
        judge_file(asked)
    assert workspace.journal.recent_judgments() == []


HOSTILE: list[tuple[dict[str, Any], str]] = [
    ({"verdict": "certainly"}, "verdict"),
    ({"verdict": 1}, "verdict"),
    ({"probability": 1.5}, "probability"),
    ({"probability": "0.5"}, "probability"),
    ({"probability": float("nan")}, "probability"),
    ({"tokens": 10**400}, "tokens"),
    ({"tokens": -1}, "tokens"),
    ({"tokens": True}, "tokens"),
    ({"cost": 1e300}, "cost"),
    ({"rank": 1.5}, "rank"),
    ({"at": "yesterday"}, "at"),
    ({"at": "2024-05-01T10:00:00"}, "at"),
    ({"document": "../etc"}, "document"),
    ({"document_id": None}, "document_id"),
    ({"shown": ["x"] * 1001}, "shown"),
    ({"raw": {"$ref": 1}}, "raw"),
]


def test_hostile_lines_are_named_and_nothing_is_imported(workspace: Workspace, asked: Path) -> None:
    good = answered(asked)
    for change, problem in HOSTILE:
        lines = [*good[:3], good[3] | change, *good[4:]]
        with pytest.raises(InputError, match=rf"(?s)nothing was imported.*v\.jsonl line 4: {problem}"):
            workspace.import_verdicts(upload(lines, "v.jsonl"))
    assert workspace.journal.recent_judgments() == []


def test_other_files_are_refused(workspace: Workspace, asked: Path, tmp_path: Path) -> None:
    lines = b"\n".join(json.dumps(r).encode() for r in answered(asked))
    for data, problem in (
        (b"[1, 2]\n", "nor anything else"),
        (b"{]\n", "nor anything else"),
        (b'{"lmtx_verdicts": 1}\n', "header is not usable: id"),
        (b'{"lmtx_verdicts": 7}\n', "version 7"),
        (asked.read_bytes(), "this is requests"),
        (lines.replace(b"}\n{", b"}\n[" * 500 + b"{", 1), "line 2"),
        (lines + b"\n\xff\xfe{}\n", f"line {4 * N_DOCS + 2}"),
    ):
        with pytest.raises(InputError, match=problem):
            workspace.import_verdicts(UploadedBytes("v.jsonl", data))
    torn = workspace.import_verdicts(UploadedBytes("v.jsonl", lines[:-20]))
    assert torn.n_imported == 4 * N_DOCS - 1
    assert "cut off" in torn.warnings[0]
    with pytest.raises(InputError, match="expected requests"):
        judge_file(verdicts_at(tmp_path, lines))
    whole = asked.read_bytes()
    asked.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="copy it again"):
        judge_file(asked)
    asked.write_bytes(b"".join(whole.splitlines(keepends=True)[:-1]))
    with pytest.raises(InputError, match="the header says 8"):
        judge_file(asked)
    asked.write_bytes(whole.replace(b"Text 1 is", b"Text 1 was"))
    with pytest.raises(InputError, match="not the one that its hash is of"):
        judge_file(asked)


def verdicts_at(folder: Path, data: bytes) -> Path:
    path = folder / "v.jsonl"
    path.write_bytes(data)
    return path


def test_teachers_that_need_the_workspace_stay(workspace: Workspace, tmp_path: Path) -> None:
    for spec in ("evidence", "simulated:seed=1", None):
        with pytest.raises(TeacherError, match="can't be asked elsewhere"):
            workspace.export_requests(tmp_path / "r.jsonl", spec)
    with pytest.raises(InputError, match=r"no file or folder '/no/such\.gguf'"):
        workspace.export_requests(tmp_path / "r.jsonl", "transformers:/no/such.gguf")
    with pytest.raises(InputError, match="Format 'xml'"):
        workspace.export_requests(tmp_path / "r.jsonl", "transformers:a/b", format="xml")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="existing folder"):
        workspace.export_requests(tmp_path / "none" / "r.jsonl", "transformers:a/b")
    assert not list(tmp_path.glob("r.jsonl*"))


def test_what_is_answered_is_not_exported(workspace: Workspace, asked: Path) -> None:
    workspace.import_verdicts(upload(answered(asked)))
    with pytest.raises(NothingToDoError, match="No pair is open"):
        workspace.export_requests(asked, "transformers:someone/some-model,revision=abc", top_k=4)
    changed = documents()
    changed[0]["text"] = "A new text on bread."
    workspace.import_corpus(upload(changed))
    report = workspace.export_requests(
        asked, "transformers:someone/some-model,revision=abc", only_changed=True
    )
    assert (report.n_documents, report.n_pairs) == (1, 4)


def test_the_same_text_is_asked_once(make: Callable[..., Workspace], tmp_path: Path) -> None:
    workspace = make("twice", [{"id": "a", "text": "Bread."}, {"id": "b", "text": "Bread."}])
    out = tmp_path / "r.jsonl"
    assert workspace.export_requests(out, "transformers:a/b", top_k=4).n_pairs == 4
    workspace.import_verdicts(upload(answered(out)))
    assert workspace.teach_preview("transformers:a/b", 4).n_open == 0


def test_verdicts_of_another_teacher_are_not_appended_to(asked: Path, tmp_path: Path) -> None:
    requests = read_requests(asked)
    out = verdicts_path(asked)
    first = VerdictsFile(out, requests.header, requests.open_pairs)
    with pytest.raises(LockedError):
        VerdictsFile(out, requests.header, requests.open_pairs)
    first.close()
    other = requests.header.model_copy(update={"key": "c" * 32})
    with pytest.raises(InputError, match="another teacher"):
        VerdictsFile(out, other, requests.open_pairs)
    lines = answered(asked)
    whole = "\n".join(map(json.dumps, lines[:4]))
    out.write_text(whole)  # the last line lacks only its end
    opened = VerdictsFile(out, requests.header, requests.open_pairs)
    opened.close()
    assert len(opened.answered) == 3
    assert out.read_text() == whole + "\n"
    out.write_text(whole + "\n{}\n" + whole.splitlines()[1] + "\n")
    with pytest.raises(InputError, match="line 5"):
        VerdictsFile(out, requests.header, requests.open_pairs)


def test_a_full_disk_leaves_whole_lines(asked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    requests = read_requests(asked)
    lines = [parse(VerdictLine, json.dumps(x).encode()).judgment("k") for x in answered(asked)[1:4]]
    out = VerdictsFile(verdicts_path(asked), requests.header, requests.open_pairs)
    out.append_judgments(lines[:1])
    before = out.path.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("lmtx.teacher.elsewhere.os.fsync", full)
        with pytest.raises(StorageError, match="No space left"):
            out.append_judgments(lines[1:])
    assert out.path.read_bytes() == before
    out.append_judgments(lines[1:])
    out.close()
    assert len(records(out.path)) == 4


def test_as_jobs(workspace: Workspace, asked: Path, tmp_path: Path) -> None:
    assert {"export_requests", "import_verdicts"} <= VERBS

    def quiet(done: int, total: int, message: str) -> None:
        assert done >= 0
        assert message

    (tmp_path / "v.jsonl").write_text("\n".join(map(json.dumps, answered(asked))))
    report = call_verb(workspace, "import_verdicts", {"source": str(tmp_path / "v.jsonl")}, quiet)
    assert report.n_imported == 4 * N_DOCS
    params = {"path": str(tmp_path / "o.jsonl"), "teacher": "transformers:other/model", "top_k": 2}
    assert call_verb(workspace, "export_requests", params, quiet).n_pairs == 2 * N_DOCS


# ---- batch services -------------------------------------------------------------------------------


LISTWISE = "openai:some-model,base_url=https://api.example.org/v1,strategy=listwise,price_in=1,price_out=2"


def completion(content: str, **more: Any) -> dict[str, Any]:
    """A chat completion as servers give it."""
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1714550400,
        "model": "some-model",
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": "stop"} | more
        ],
        "usage": {"prompt_tokens": 120, "completion_tokens": 8, "total_tokens": 128},
    }


def output_line(custom_id: str, body: Any, status: int = 200, **more: Any) -> dict[str, Any]:
    """A line of the output of a batch, as services write it."""
    response = None if body is None else {"status_code": status, "request_id": "req_1", "body": body}
    return {
        "id": f"batch_req_{custom_id}",
        "custom_id": custom_id,
        "response": response,
        "error": None,
    } | more


def test_a_batch_goes_out_and_comes_back(
    workspace: Workspace,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LMTX_NO_INDEX", "1")
    monkeypatch.setenv("SOME_KEY", "sk-not-to-be-seen")
    out = tmp_path / "batch.jsonl"
    where = ("--workspace", workspace.folder)
    spec = f"{LISTWISE},key_env=SOME_KEY"
    options = ("--teacher", spec, "--top-k", 3, "--format", "openai-batch")
    written = command_line(capsys, *where, "export-requests", out, *options)
    assert (written["n_documents"], written["n_pairs"], written["n_requests"]) == (N_DOCS, 3 * N_DOCS, N_DOCS)
    requests, mapped = records(out), records(Path(written["map_path"]))
    assert len({r["custom_id"] for r in requests}) == N_DOCS
    for request in requests:
        assert len(request["custom_id"]) <= 64
        assert (request["method"], request["url"]) == ("POST", "/v1/chat/completions")
        assert request["body"]["model"] == "some-model"
        assert request["body"]["response_format"]["type"] == "json_schema"
        assert "Candidate tags" in request["body"]["messages"][-1]["content"]
    for path in (out, Path(written["map_path"])):
        assert "sk-not-to-be-seen" not in path.read_text()
        assert "SOME_KEY" not in path.read_text()
    calls = {r["custom_id"]: r for r in mapped if "custom_id" in r}
    ids = list(calls)
    lines = [output_line(x, completion('{"fit": [2]}')) for x in ids[:4]]
    lines += [
        output_line(ids[4], completion("I would rather not say.")),
        output_line(ids[5], completion('{"fit": [1', finish_reason="length")),
        output_line(ids[6], {"error": {"message": "overloaded", "code": 503}}, status=503),
    ]
    answers = tmp_path / "batch_output.jsonl"
    answers.write_text("\n".join(map(json.dumps, [lines[-1], *lines[:-1]])) + "\n")
    report = command_line(capsys, *where, "import-verdicts", answers)
    assert (report["n_imported"], report["n_yes"], report["n_unparsed"]) == (18, 4, 6)
    assert (report["n_failed"], report["n_missing"]) == (3, 3)
    assert "overloaded" in report["warnings"][0]
    assert report["tokens"] == 6 * 128
    assert report["cost"] == pytest.approx(6 * (120 + 16) / 1e6)
    said = {(j.document_id, j.label_id): j for j in workspace.journal.recent_judgments(100, written["key"])}
    for x in ids[:4]:
        call = calls[x]
        for label_id in call["asked"]:
            verdict = said[call["document_id"], label_id].verdict
            assert verdict == ("yes" if label_id == call["shown"][1] else "no")
    # What failed is still open, and asked in the next batch; the service's file of errors says it too.
    error = {"code": "batch_expired", "message": "not run in time"}
    errors = upload([output_line(ids[7], None, error=error)], "errors.jsonl")
    map_file = UploadedBytes("m.jsonl", Path(written["map_path"]).read_bytes())
    found = workspace.import_verdicts(errors, map_file)
    assert (found.n_imported, found.n_failed, found.n_missing) == (0, 3, 21)
    assert "not run in time" in found.warnings[0]
    rest = workspace.export_requests(out, spec, top_k=3, format="openai-batch")
    assert (rest.n_documents, rest.n_pairs) == (2, 6)


def test_a_batch_of_probabilities(workspace: Workspace, tmp_path: Path) -> None:
    out = tmp_path / "b.jsonl"
    spec = "openai:gpt,strategy=logprobs"
    report = workspace.export_requests(out, spec, top_k=2, limit_docs=3, format="openai-batch")
    assert (report.n_requests, report.n_pairs) == (6, 6)
    body = records(out)[0]["body"]
    assert (body["logprobs"], body["max_completion_tokens"]) == (True, 1)
    assert "max_tokens" not in body
    top = [{"token": "Yes", "logprob": -0.2}, {"token": " no", "logprob": -1.9}]
    logprobs = {"content": [{"token": "Yes", "logprob": -0.2, "top_logprobs": top}]}
    lines = [output_line(r["custom_id"], completion("Yes", logprobs=logprobs)) for r in records(out)]
    (tmp_path / "o.jsonl").write_text("\n".join(map(json.dumps, lines)))
    found = workspace.import_verdicts(tmp_path / "o.jsonl")
    assert (found.n_imported, found.n_yes) == (6, 6)
    assert workspace.journal.recent_judgments(1)[0].probability == pytest.approx(0.8455, abs=1e-3)


def test_batches_that_do_not_fit_are_refused(workspace: Workspace, tmp_path: Path) -> None:
    out, other = tmp_path / "b.jsonl", tmp_path / "other.jsonl"
    written = workspace.export_requests(out, LISTWISE, top_k=2, format="openai-batch")
    workspace.export_requests(other, LISTWISE, top_k=2, format="openai-batch")
    lines = [output_line(r["custom_id"], completion('{"fit": []}')) for r in records(out)]
    with pytest.raises(InputError, match=r"ends in \.map\.jsonl"):
        workspace.import_verdicts(upload(lines, "o.jsonl"))
    with pytest.raises(InputError, match=r"(?s)8 lines.*is not in the map other"):
        workspace.import_verdicts(upload(lines, "o.jsonl"), tmp_path / "other.map.jsonl")
    with pytest.raises(InputError, match="expected a map"):
        workspace.import_verdicts(upload(lines, "o.jsonl"), out)
    for broken in (
        {"custom_id": 7},
        {"response": [1]},
        {"response": {"status_code": "200", "body": {}}},
        {"response": {"status_code": 200, "body": "text"}},
    ):
        with pytest.raises(InputError, match=r"(?s)nothing was imported.*o\.jsonl line 2: "):
            workspace.import_verdicts(upload([lines[0], lines[1] | broken], "o.jsonl"), written.map_path)
    for body in ({}, {"choices": []}, {"choices": [{"message": None}]}, {"choices": [{"message": {}}] * 3}):
        report = workspace.import_verdicts(
            upload([output_line(lines[0]["custom_id"], body)]), written.map_path
        )
        assert report.n_yes == 0
    mapped = records(tmp_path / "b.map.jsonl")
    mapped[0]["key"] = "d" * 32
    with pytest.raises(TeacherError, match="the file's is dddd"):
        workspace.import_verdicts(upload(lines, "o.jsonl"), upload(mapped, "m.jsonl"))
    with pytest.raises(InputError, match="for a batch service"):
        judge_file(out)
    with pytest.raises(InputError, match="for a batch service"):
        workspace.import_verdicts(out)
    for spec in ("transformers:a/b", "openai:m,strategy=questions"):
        with pytest.raises(TeacherError, match="not asked in chats"):
            workspace.export_requests(tmp_path / "x.jsonl", spec, format="openai-batch")
    with pytest.raises(InputError, match="strategy=listwise"):
        workspace.export_requests(tmp_path / "x.jsonl", "openai:m")


def test_texts_go_nowhere_that_only_the_file_names(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "r.jsonl"
    workspace.export_requests(out, LISTWISE, top_k=2)
    assert workspace.settings.consented_hosts == ()
    with pytest.raises(ConsentError, match=r"--consent api\.example\.org"):
        judge_file(out)
    lines = records(out)
    lines[0]["teacher"] += ",key_env=HOME"  # a file must not choose what of the environment is sent
    out.write_text("\n".join(map(json.dumps, lines)))
    asked = []

    def judge(store: Any, teacher: Any, *rest: Any, **more: Any) -> Any:
        asked.append(teacher)
        raise TeacherError("stopped here")

    monkeypatch.setattr("lmtx.teacher.elsewhere.judge", judge)
    with pytest.raises(TeacherError, match="stopped here"):
        judge_file(out, hosts=["api.example.org"])
    with pytest.raises(TeacherError, match="stopped here"):
        judge_file(out, override="base_url=http://127.0.0.1:8000/v1,concurrency=2")
    assert [t.host for t in asked] == ["api.example.org", ""]
    assert "key_env" not in asked[0].spec + asked[1].spec
    assert asked[1].concurrency == 2
