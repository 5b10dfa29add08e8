"""The command line end to end in processes of its own, on a slice of debtags."""

from __future__ import annotations

import csv
import gzip
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.corpus, pytest.mark.slow]

N_TRAIN, N_TEST = 200, 60


def slice_of(data_folder: Path, folder: Path) -> tuple[Path, Path]:
    """Write a small corpus out of debtags; returns corpus and labels."""
    wanted = {"train": N_TRAIN, "test": N_TEST}
    corpus = folder / "corpus.jsonl.gz"
    with (
        gzip.open(data_folder / "debtags" / "corpus.jsonl.gz", "rt", encoding="utf-8") as source,
        gzip.open(corpus, "wt", encoding="utf-8") as out,
    ):
        for line in source:
            split = json.loads(line)["split"]
            if wanted[split]:
                wanted[split] -= 1
                out.write(line)
            if not any(wanted.values()):
                break
    return corpus, data_folder / "debtags" / "labels.jsonl.gz"


class Shell:
    def __init__(self, home: Path) -> None:
        self.environment = {**os.environ, "LMTX_HOME": str(home), "HF_HUB_OFFLINE": "1"}
        self.environment.pop("LMTX_WORKSPACE", None)

    def __call__(self, *arguments: object, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        code = "from lmtx.cli import main; main()"
        return subprocess.run(
            [sys.executable, "-c", code, *map(str, arguments)],
            env=self.environment,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )

    def json(self, *arguments: object) -> dict[str, Any]:
        done = self(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
        assert isinstance(found, dict)
        return found


def test_from_files_to_a_model(data_folder: Path, tmp_path: Path) -> None:
    corpus, labels = slice_of(data_folder, tmp_path)
    lmtx = Shell(tmp_path / "home")
    made = lmtx.json("--workspace", tmp_path / "home" / "debtags", "init")
    assert made["encoder"] == "minilm"
    assert lmtx.json("import", "labels", labels)["added"] == 579
    report = lmtx.json("import", "corpus", corpus)
    assert report["added"] == N_TRAIN + N_TEST
    assert lmtx.json("import", "corpus", corpus)["unchanged"] == N_TRAIN + N_TEST
    zero = lmtx.json("evaluate", "--system", "zero-shot")
    assert zero["n_docs"] == N_TEST

    teacher = "simulated:recall=0.85,noise=0.05,seed=0"
    preview = lmtx.json("teach", "--teacher", teacher, "--dry-run", "--limit-docs", "50")
    assert preview["n_open"] > 0
    report = lmtx.json("cycle", "--teacher", teacher, "--rounds", "2")
    assert report["n_judged"] > 0
    state = lmtx.json("status")
    assert state["run_id"] == report["run"]["id"]
    assert state["teacher"].startswith("simulated")
    assert not state["is_llm"]

    figures = lmtx.json("evaluate", "--split", "test")
    assert {"P@1", "P@3", "P@5", "R@10", "nDCG@5", "n_docs", "n_labels"} <= figures.keys()
    assert figures["P@1"] > zero["P@1"] + 0.05
    assert figures["R@10"] > zero["R@10"]
    student = lmtx.json("evaluate", "--system", "student", "--limit-docs", "20")
    assert student["n_docs"] == 20

    answer = lmtx("predict", "-", "--top-k", "3", stdin="a library for reading mail in perl\nfont editor\n")
    assert answer.returncode == 0, answer.stderr
    lines = [json.loads(x) for x in answer.stdout.splitlines()]
    assert [len(x["labels"]) for x in lines] == [3, 3]
    assert {"id", "name", "score"} <= lines[0]["labels"][0].keys()

    found = lmtx.json("precision")
    assert found["reviewed"]["n_documents"] == found["reviewed"]["n_pairs"] == 0  # nobody was asked yet
    quality = found["gold"]
    assert quality["truth"] == "gold, split test"
    assert 0 < quality["micro_precision"] < 1
    assert {"label_id", "precision", "recall", "f1", "support"} <= quality["labels"][0].keys()

    retrained = lmtx.json("train", "--set", "epochs=2")
    assert [r["id"] for r in lmtx.json("runs")["runs"]] == [retrained["id"], state["run_id"]]
    assert lmtx.json("promote", state["run_id"])["promoted"] == state["run_id"]

    for what, name in (("pairs", "p.csv"), ("corpus", "c.parquet")):
        assert Path(lmtx.json("export", what, tmp_path / name)["out"]).is_file()
    with (tmp_path / "p.csv").open(encoding="utf-8-sig", newline="") as file:
        pairs = list(csv.DictReader(file))
    assert len(pairs) == lmtx.json("status")["counts"]["judged_pairs"]
    model = Path(lmtx.json("export", "model", tmp_path / "model")["out"])
    assert (model / "student" / "modules.json").is_file()
    assert lmtx.json("rebuild")["indexed"] == N_TRAIN + N_TEST + 579
