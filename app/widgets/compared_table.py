"""The table of a comparison: a row a system, figures with their intervals, and what it took."""

from __future__ import annotations

from app.widgets import words
from app.widgets.inert import escape
from lmtx.quality.versus import Figure
from lmtx.workspace.compared import SystemComparison, SystemFigures

MEASURES = {
    "P@1": ("P@1", "How often the first tag is right"),
    "P@5": ("P@5", "Share of five tags that are right"),
    "R@10": ("R@10", "Share of a document's gold labels among its first ten tags"),
    "nDCG@5": ("nDCG@5", "As P@5, places further up counting more"),
    "PSP@5": ("PSP@5", "As P@5, rare labels counting more"),
    "R@10 tail": ("Tail R@10", "Share of a document's rare labels among its first ten tags"),
}
"""Measures in the table: heading, and what it means."""
COSTS = {
    "Training": "Processor time",
    "Teacher": "Judgments to learn from, and tokens read and written for them",
    "Documents a second": "From text to tags, encoding included; of processor time without a graphics card",
    "Size": "What has to be loaded",
}


def html(found: SystemComparison) -> str:
    """Return the table, the best value of each measure in bold."""
    known = {m: [v for x in found.systems if (v := x.figures[m].value) is not None] for m in MEASURES}
    best = {m: max(values, default=None) for m, values in known.items()}
    heads = [_head(name, what) for name, what in MEASURES.values()]
    heads += [_head(name, what, first=i == 0) for i, (name, what) in enumerate(COSTS.items())]
    rows = "".join(_row(x, best, x.id == found.reference) for x in found.systems)
    return (
        '<div class="lx-versus" role="region" aria-label="Figures of the systems" tabindex="0"><table><thead>'
        f'<tr><th scope="col">System</th>{"".join(heads)}</tr></thead><tbody>{rows}</tbody></table></div>'
    )


def _head(name: str, what: str, *, first: bool = False) -> str:
    kind = ' class="lx-first-cost"' if first else ""
    return f'<th scope="col"{kind} title="{escape(what)}">{escape(name)}</th>'


def _row(x: SystemFigures, best: dict[str, float | None], reference: bool) -> str:
    note = "<small>reference</small>" if reference else ""
    cells = "".join(_cell(x.figures[m], best[m]) for m in MEASURES)
    return f'<tr><th scope="row">{escape(x.name)}{note}</th>{cells}{_cost(x)}</tr>'


def _cell(figure: Figure, best: float | None) -> str:
    if figure.value is None:
        return "<td>–</td>"
    interval = ""
    if figure.low is not None and figure.high is not None:
        interval = f"<small>[{100 * figure.low:.1f}, {100 * figure.high:.1f}]</small>"
    bold = ' class="best"' if best is not None and figure.value >= best - 1e-9 else ""
    return f"<td{bold}>{_sign(figure)}{escape(words.percent(figure.value))}{interval}</td>"


def _sign(figure: Figure) -> str:
    if not figure.beyond_chance:
        return ""
    up = (figure.difference or 0.0) > 0
    kind, sign, what = ("up", "▲", "better") if up else ("down", "▼", "worse")
    return f'<span class="{kind}" role="img" aria-label="{what} than the reference">{sign}</span> '


def _cost(x: SystemFigures) -> str:
    trained = "–" if x.run is None or x.train_cpu_s is None else seconds(x.train_cpu_s)
    what = "call" if x.kind == "predictions" else "judgment"
    taught = words.many(x.teacher_pairs, what) if x.teacher_pairs else "–"
    tokens = f"<small>{escape(words.many(x.teacher_tokens, 'token'))}</small>" if x.teacher_tokens else ""
    return (
        f'<td class="lx-first-cost">{escape(trained)}</td><td>{escape(taught)}{tokens}</td>'
        f"<td>{escape(rate(x.docs_per_s))}</td><td>{escape(size(x.model_bytes))}</td>"
    )


def seconds(value: float) -> str:
    """Write processor time, with a decimal below ten seconds."""
    return f"{value:.1f} s" if value < 9.95 else words.duration(value)


def rate(value: float | None) -> str:
    """Write a rate with two digits, as no more are known."""
    if value is None:
        return "–"
    return words.count(float(f"{value:.2g}")) if value >= 9.5 else f"{value:.2g}"


def size(n_bytes: int | None) -> str:
    """Write a size in megabytes."""
    if n_bytes is None:
        return "–"
    mb = n_bytes / 1e6
    return f"{mb:.0f}{words.THIN}MB" if mb >= 9.95 else f"{mb:.1f}{words.THIN}MB"
