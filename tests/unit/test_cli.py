"""The command line in-process: what it prints where, and its exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lmtx.cli import main

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("LMTX_NO_INDEX", "1")

    def call(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as left:
            main([str(a) for a in arguments])
        out, err = capsys.readouterr()
        code = left.value.code
        return (code if isinstance(code, int) else 1 if code else 0), out, err

    return call


def as_json(run: Run, *arguments: str) -> dict[str, Any]:
    code, out, err = run(*arguments, "--json")
    assert code == 0, err
    found = json.loads(out)
    assert isinstance(found, dict)
    assert out.count("\n") == 1
    return found


@pytest.fixture
def files(tmp_path: Path) -> Path:
    labels = [{"id": "L1", "name": "Lighthouses"}, {"id": "L2", "name": "Gardens"}]
    documents = [
        {"id": f"d{i}", "text": f"Text {i} about {'lighthouses' if i % 2 else 'gardens'}", "labels": ["L1"]}
        for i in range(40)
    ]
    for name, rows in (("labels", labels), ("corpus", documents)):
        (tmp_path / f"{name}.jsonl").write_text("\n".join(json.dumps(r) for r in rows))
    return tmp_path


def test_init_import_status(run: Run, files: Path) -> None:
    w = files / "w"
    made = as_json(run, "--workspace", w, "init", "--name", "Mine")
    assert made["name"] == "Mine"
    assert as_json(run, "import", "labels", files / "labels.jsonl")["added"] == 2
    assert as_json(run, "import", "corpus", files / "corpus.jsonl", "--workspace", w)["added"] == 40
    state = as_json(run, "status")
    assert state["counts"]["documents"] == 40
    assert state["next_step"]["page"] == "teacher"
    code, out, _ = run("status")
    assert code == 0
    assert "40" in out
    assert "no LLM" in out


def test_the_workspace_opened_last_is_the_default(
    run: Run, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_json(run, "--workspace", files / "a", "init")
    as_json(run, "--workspace", files / "b", "init")
    assert as_json(run, "status")["name"] == "b"
    as_json(run, "--workspace", files / "a", "status")
    assert as_json(run, "status")["name"] == "a"
    monkeypatch.setenv("LMTX_WORKSPACE", str(files / "b"))
    assert as_json(run, "status")["name"] == "b"


def test_wrong_use_and_wrong_input_exit_with_2(run: Run, files: Path) -> None:
    for arguments in (
        ("status",),
        ("--workspace", files / "none", "status"),
        ("no-such-verb",),
        ("status", "--no-such-option"),
        ("init",),
    ):
        code, out, err = run(*arguments)
        assert code == 2, arguments
        assert out == ""
        assert err.strip()
        assert "Traceback" not in err
    as_json(run, "--workspace", files / "w", "init")
    (files / "bad.jsonl").write_text('{"id": "a", "text": ""}\n')
    code, out, err = run("import", "corpus", files / "bad.jsonl", "--json")
    assert (code, out) == (2, "")
    assert "bad.jsonl" in err
    code, _, err = run("export", "corpus", files / "x")
    assert code == 2
    assert "--format" in err
    (files / "labels.jsonl").write_text('{"id": "L", "name": "Owls"}\n')
    (files / "corpus.jsonl").write_text('{"id": "a", "text": "An owl."}\n')
    as_json(run, "import", "labels", files / "labels.jsonl")
    as_json(run, "import", "corpus", files / "corpus.jsonl")
    for arguments in (
        ("teach", "--teacher", "no-such-teacher"),
        ("cycle", "--teacher", "simulated:recall=2"),
        ("train", "--set", "epochs=x"),
        ("train", "--set", "no-such-setting=1"),
        ("predict", files / "missing.txt"),
    ):
        code, out, err = run(*arguments, "--json")
        assert (code, out) == (2, ""), arguments
        assert "Traceback" not in err


def test_what_can_not_be_done_yet_exits_with_1(run: Run, files: Path) -> None:
    as_json(run, "--workspace", files / "w", "init")
    for verb in ("teach", "train", "cycle", "evaluate", "precision"):
        code, out, err = run(verb, "--json")
        assert (code, out) == (1, ""), verb
        assert "Import" in err or "no" in err


def test_a_dry_run_writes_nothing(run: Run, files: Path) -> None:
    as_json(run, "--workspace", files / "w", "init")
    preview = as_json(run, "import", "corpus", files / "corpus.jsonl", "--dry-run")
    assert preview["guessed"]["text"] == "text"
    assert as_json(run, "status")["counts"]["documents"] == 0
    code, out, _ = run("import", "labels", files / "labels.jsonl", "--dry-run")
    assert code == 0
    assert "Lighthouses" in out


def test_columns_can_be_named(run: Run, files: Path) -> None:
    as_json(run, "--workspace", files / "w", "init")
    (files / "odd.csv").write_text("alpha,beta\n1,first text\n2,second text\n")
    report = as_json(
        run, "import", "corpus", files / "odd.csv", "--id-column", "alpha", "--text-column", "beta"
    )
    assert report["added"] == 2


def test_tables_leave(run: Run, files: Path) -> None:
    as_json(run, "--workspace", files / "w", "init")
    as_json(run, "import", "labels", files / "labels.jsonl")
    as_json(run, "import", "corpus", files / "corpus.jsonl", "--labels-are", "completed")
    for what in ("corpus", "pairs", "decisions"):
        out = as_json(run, "export", what, files / f"{what}.csv")["out"]
        assert Path(out).stat().st_size > 100
    assert as_json(run, "runs") == {"runs": []}
    code, _, err = run("export", "model", files / "m")
    assert code == 1
    assert "Train" in err


def test_every_verb_has_help(run: Run) -> None:
    code, out, _ = run("--help")
    assert code == 0
    verbs = (
        "init import status embed doctor teach train cycle evaluate predict precision export rebuild app demo"
    )
    for verb in verbs.split():
        assert verb in out
        code, shown, _ = run(verb, "--help")
        assert code == 0
        assert len(shown) > 80


@pytest.mark.slow
def test_doctor_finds_nothing_wrong(run: Run, files: Path) -> None:
    as_json(run, "--workspace", files / "w", "init")
    found = as_json(run, "doctor")
    assert found["good"]
    assert {"journal", "encoder weights", "search index"} <= {c["name"] for c in found["checks"]}


def test_the_app_says_so_where_there_is_no_clone(
    run: Run, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lmtx.cli.serve.ROOT", files)
    code, _, err = run("app")
    assert code == 2
    assert "clone" in err


def test_starting_is_light(tmp_path: Path) -> None:
    """No verb pays for libraries that it does not use."""
    code = (
        "import sys\nfrom lmtx.cli import main\n"
        "try:\n    main(['--workspace', sys.argv[1], 'init'])\nexcept SystemExit:\n    pass\n"
        "try:\n    main(['--workspace', sys.argv[1], 'status', '--json'])\nexcept SystemExit:\n    pass\n"
        "heavy = {'torch', 'sentence_transformers', 'chromadb', 'streamlit', 'pandas', 'scipy'}\n"
        "heavy &= set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    began = time.monotonic()
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "w")], check=True, env=dict(os.environ))
    assert time.monotonic() - began < 30  # a machine under load; the figure itself is in the benchmarks
