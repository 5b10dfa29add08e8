"""The README's table, from what `debtags.py` and `congress.py` wrote to `benchmarks/out/`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from statistics import mean
from typing import Any

OUT = Path(__file__).parent / "out"
ORDER = "seeded order"
FIGURES = ("P@1", "P@5", "R@10")
ROWS = (
    ("none", "zero-shot of the product", "nothing learned: words and meaning"),
    ("evidence", "tagger", "teacher `evidence` (no LLM), one round"),
    ("evidence, 40 completed", "tagger", "… and 40 documents completed by a person"),
    ("simulated 0.85/0.05", "adapter alone", "simulated good teacher, four rounds: the student alone"),
    ("simulated 0.85/0.05", "tagger", "… the tagger"),
    ("simulated 0.85/0.05, 40 completed", "tagger", "… and 40 documents completed by a person"),
    ("simulated, bias by label", "tagger", "simulated teacher with habits of its own, four rounds"),
    ("simulated, bias by label, 40 completed", "tagger", "… and 40 documents completed by a person"),
)


def shown(report: dict[str, Any], group: str, system: str) -> str:
    """Means over the seeds, in percent."""
    runs = next(
        row["figures"][ORDER]
        for row in report["rows"]
        if row["group"] == group and row["system"] == system and ORDER in row["figures"]
    )
    return " / ".join(f"{100 * mean(run[name] for run in runs):.1f}" for name in FIGURES)


def main() -> None:
    reports = {}
    for corpus in ("debtags", "congress"):
        file = OUT / f"{corpus}.json"
        if not file.is_file():
            sys.exit(f"{file} is missing. Run `python benchmarks/{corpus}.py` first.")
        reports[corpus] = json.loads(file.read_text(encoding="utf-8"))
    print(f"| {', '.join(FIGURES)} in percent | {' | '.join(reports)} |")
    print("|---|---|---|")
    for group, system, words in ROWS:
        print(f"| {words} | {' | '.join(shown(r, group, system) for r in reports.values())} |")


if __name__ == "__main__":
    main()
