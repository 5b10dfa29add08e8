"""Memory stays flat while a large file streams by."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest

from lmtx.ingest.seen import SeenTable

# Peak resident memory of the process, beyond what it has after reading a small file.
PROGRAM = """
import resource, sys
from pathlib import Path
from lmtx.ingest import read_documents
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
for document in read_documents(Path(sys.argv[1]), on_issue=print): pass
before = peak()
n = 0
issues = []
for document in read_documents(Path(sys.argv[2]), on_issue=issues.append): n += 1
print(n, len(issues), round(peak() - before))
"""


def growth_mb(small: Path, large: Path) -> tuple[int, int, int]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(small), str(large)], capture_output=True, text=True, check=True
    )
    n, n_issues, grown = map(int, done.stdout.split())
    return n, n_issues, grown


def record(i: int) -> dict[str, object]:
    text = f"Entry {i}. " + f"The keeper wrote down wind and weather for day {i}. " * 18
    return {"id": f"doc-{i}", "title": f"Day {i}", "text": text, "labels": ["log", f"y{i % 50}"]}


def write(path: Path, n: int) -> Path:
    with path.open("w", encoding="utf-8") as out:
        if path.suffix == ".csv":
            out.write("id,title,text,labels\n")
        for i in range(n):
            r = record(i)
            if path.suffix == ".csv":
                out.write(f'{r["id"]},{r["title"]},"{r["text"]}",log|y{i % 50}\n')
            else:
                out.write(json.dumps(r) + "\n")
    return path


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["jsonl", "csv"])
def test_sixty_megabytes(tmp_path: Path, suffix: str) -> None:
    small = write(tmp_path / f"small.{suffix}", 200)
    large = write(tmp_path / f"large.{suffix}", 63_000)
    assert large.stat().st_size > 63_000_000
    n, n_issues, grown = growth_mb(small, large)
    assert (n, n_issues) == (63_000, 0)
    assert grown < 33


@pytest.mark.slow
@pytest.mark.parametrize("format", ["csv", "jsonl", "csv.gz"])
def test_one_cell_of_a_hundred_megabytes(tmp_path: Path, format: str) -> None:
    path = tmp_path / f"large.{format}"
    cell = b"word and word " * 7_500_000
    data = b"id,text\n1,before\n2,%s\n3,after\n" % cell
    if format == "jsonl":
        data = b'{"text": "before"}\n{"text": "%s"}\n{"text": "after"}\n' % cell
    if format == "csv.gz":
        # Incompressible enough not to be taken for a bomb.
        import random

        letters = random.Random(0).randbytes(26_000_000).hex().encode()
        data = gzip.compress(b"id,text\n1,before\n2,%s\n3,after\n" % (letters * 2), 1)
    path.write_bytes(data)
    small = write(tmp_path / "small.csv", 200)
    n, n_issues, grown = growth_mb(small, path)
    assert (n, n_issues) == (2, 1)
    assert grown < 120


def test_seen_table_against_a_dict() -> None:
    table, reference = SeenTable(), dict[str, int]()
    for row in range(1, 30_001):
        key = f"key {row * 7919 % 20_000}"
        assert table.first_row(key, row) == reference.get(key)
        reference.setdefault(key, row)
    assert len(table) == len(reference) == 20_000
