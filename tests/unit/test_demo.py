"""The demo corpus is what the README says: enough records, each written by itself, with gold headings."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import pytest

RUN = 8


@pytest.fixture(scope="module")
def records(demo_folder: Path) -> list[dict]:
    return [json.loads(line) for line in (demo_folder / "corpus.jsonl").read_text("utf-8").splitlines()]


@pytest.fixture(scope="module")
def headings(demo_folder: Path) -> dict[str, dict]:
    rows = [json.loads(line) for line in (demo_folder / "labels.jsonl").read_text("utf-8").splitlines()]
    return {row["id"]: row for row in rows}


def words(text: str) -> list[str]:
    return re.findall(r"[\w']+", text.casefold())


def runs_of(text: str) -> set[tuple[str, ...]]:
    tokens = words(text)
    return {tuple(tokens[i : i + RUN]) for i in range(len(tokens) - RUN + 1)}


def test_no_two_texts_share_a_run_of_eight_words(records: list[dict], headings: dict[str, dict]) -> None:
    texts = {r["id"]: f"{r['title']} . {r['text']}" for r in records}
    texts |= {h["id"]: h["description"] for h in headings.values()}
    owner: dict[tuple[str, ...], str] = {}
    for name, text in texts.items():
        for run in runs_of(text):
            assert owner.setdefault(run, name) == name, f"{name} and {owner[run]} share: {' '.join(run)}"


def test_records_are_many_and_of_the_stated_length(records: list[dict]) -> None:
    assert len(records) >= 240
    assert len({r["id"] for r in records}) == len(records)
    assert len({r["title"].casefold() for r in records}) == len(records)
    lengths = [len(r["text"].split()) for r in records]
    assert min(lengths) >= 60
    assert max(lengths) <= 120


def test_headings_form_a_hierarchy_with_definitions(headings: dict[str, dict]) -> None:
    assert len(headings) >= 120
    depth: dict[str, int] = {}

    def depth_of(heading: str) -> int:
        if heading not in depth:
            parents = headings[heading]["parents"]
            depth[heading] = 1 + max((depth_of(p) for p in parents), default=0)
        return depth[heading]

    assert max(depth_of(h) for h in headings) in {2, 3}
    assert all(len(h["description"].split()) >= 8 for h in headings.values())
    assert sum(bool(h.get("aliases")) for h in headings.values()) >= len(headings) / 3


def test_gold_is_head_and_tail_in_both_splits(records: list[dict], headings: dict[str, dict]) -> None:
    for record in records:
        assert 1 <= len(record["labels"]) <= 5, record["id"]
        assert set(record["labels"]) <= set(headings), record["id"]
    uses = Counter(label for r in records for label in r["labels"])
    assert sum(n >= 7 for n in uses.values()) >= 50
    assert sum(n <= 3 for n in uses.values()) >= 20
    splits = Counter(r["split"] for r in records)
    assert splits["train"] > splits["test"] >= 60
