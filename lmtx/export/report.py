"""The report: one HTML file that says what was done and how good it is, and asks for nothing else.

Style, script and every figure are in the file, and its own policy forbids it to load anything. What users
wrote (titles, texts, names) is escaped by the template engine.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from lmtx.export.tables import whole_file

if TYPE_CHECKING:
    from jinja2 import Template

Truth = Literal["gold", "reviewed", "teacher"]
TRUTHS: dict[Truth, str] = {
    "gold": "compared with the labels that came with the corpus; training never sees them",
    "reviewed": "compared with what people answered to a random draw that trains nothing",
    "teacher": "compared with the teacher's opinion, which has errors of its own",
}
"""What figures are compared with, in words."""

MOST_LABELS = 5_000
"""Labels that the table has at most; of more, those that occur most."""
_DEFINED = 1_500  # up to so many labels the table has definitions
_DEFINITION, _TEXT = 180, 700
_BEGINS = r"(?:(?<![\w.~-])~|(?<![A-Za-z])[A-Za-z]:|(?<![\w.~-]))"  # not inside of "owner/model"
_PATH = re.compile(_BEGINS + r"[/\\](?:[^\s,/\\]+[/\\])*([^\s,/\\]+)")


@dataclass(frozen=True, slots=True)
class Figure:
    """A share with its interval, what it is of and from which truth.

    value, low, high : fractions; the interval is of 95 %
    n : what it rests on, counted in `unit`
    baseline : the same figure of a ranking that has learned nothing, None where it is not known
    """

    name: str
    of: str
    truth: Truth
    value: float
    low: float
    high: float
    n: int
    unit: str
    baseline: float | None = None


@dataclass(frozen=True, slots=True)
class ShownTag:
    """A tag of a shown document.

    `probability` is None where nothing calibrates it; `right` is None where nobody knows.
    """

    name: str
    probability: float | None
    right: bool | None


@dataclass(frozen=True, slots=True)
class ShownDocument:
    """A document with its tags, as an example.

    missed : names of labels that it should have and does not get, as far as the truth tells
    truth : "" where nobody knows what is right
    """

    document_id: str
    title: str
    text: str
    tags: tuple[ShownTag, ...]
    missed: tuple[str, ...]
    truth: Truth | Literal[""]

    @property
    def all_right(self) -> bool:
        """Whether every tag is known to be right."""
        return bool(self.tags) and all(tag.right for tag in self.tags)

    @property
    def any_wrong(self) -> bool:
        """Whether some tag is known to be wrong."""
        return any(tag.right is False for tag in self.tags)


@dataclass(frozen=True, slots=True)
class LabelLine:
    """A label in the table of the report.

    given : documents of the corpus that get it among their first five tags, None where that is not known
    gold, found, right : test documents that should have it, that get it, and rightly; None without gold
    value, low, high, n : precision by the audit (fractions) and the pairs behind it; n is 0 without any
    """

    id: str
    name: str
    path: str = ""
    definition: str = ""
    given: int | None = None
    accepted: int = 0
    rejected: int = 0
    proposed: int = 0
    gold: int | None = None
    found: int | None = None
    right: int | None = None
    value: float | None = None
    low: float | None = None
    high: float | None = None
    n: int = 0

    @property
    def precision(self) -> float | None:
        """Share of the test documents that get it and should, None where none gets it."""
        return None if not self.found or self.right is None else self.right / self.found

    @property
    def recall(self) -> float | None:
        """Share of the test documents that should have it and get it, None where none should."""
        return None if not self.gold or self.right is None else self.right / self.gold


@dataclass(frozen=True, slots=True)
class Lost:
    """A part of a funnel: what happened to so many tags, as a share of the whole with its interval."""

    name: str
    n: int
    value: float | None
    low: float
    high: float


@dataclass(frozen=True)
class Report:
    """All that the report says.

    Attributes
    ----------
    name : str
        Of the workspace.
    made : datetime
    corpus, cost, facts : list of (name, value, detail)
        In the order in which they are shown.
    titles : list of str
        Of some documents.
    method : list of str
        Paragraphs.
    findings : list of str
        What is known, and what is not, in sentences.
    figures : list of Figure
    labels : list of LabelLine
    n_labels : int
        All of the label set, which `labels` may be a part of.
    documents : list of ShownDocument
        Examples, right ones and wrong ones.
    wanted, given : list of Lost
        Where wanted tags are lost, and where wrong ones come from; empty where that is not known.
    funnel_of : str
        What these rest on.
    """

    name: str
    made: datetime
    corpus: list[tuple[str, str, str]]
    titles: list[str]
    method: list[str]
    findings: list[str]
    figures: list[Figure]
    labels: list[LabelLine]
    n_labels: int
    documents: list[ShownDocument]
    cost: list[tuple[str, str, str]]
    facts: list[tuple[str, str, str]]
    wanted: list[Lost] = field(default_factory=list)
    given: list[Lost] = field(default_factory=list)
    funnel_of: str = ""


def render(report: Report) -> str:
    """Make the page."""
    rows = report.labels
    if len(rows) > MOST_LABELS:
        rows = sorted(rows, key=lambda x: -_occurs(x))[:MOST_LABELS]
    has_gold = any(x.gold is not None for x in rows)
    return _template().render(
        report=report,
        rows=rows,
        defined=len(rows) <= _DEFINED,
        has_gold=has_gold,
        has_audit=any(x.n for x in rows),
        has_given=any(x.given is not None for x in rows),
        most_given=max((x.given or 0 for x in rows), default=0) or 1,
        truths=TRUTHS,
        figures_truths=list(dict.fromkeys(x.truth for x in report.figures)),
    )


def _occurs(label: LabelLine) -> int:
    return (label.given or 0) + (label.gold or 0) + label.accepted + label.proposed


def write_report(report: Report, out: Path) -> Path:
    """Write the page to a file, whole or not at all; one that is there is replaced.

    Raises
    ------
    InputError
        If the folder does not exist.
    StorageError
        If the file can't be written.
    """
    with whole_file(out) as part:
        part.write_text(render(report), encoding="utf-8", errors="replace")
    return out


@lru_cache(maxsize=1)
def _template() -> Template:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "count": count,
        "percent": percent,
        "place": place,
        "cut": cut,
    }
    return environment.get_template("report.html.jinja")


# ---- how things are written -----------------------------------------------------------------------


def count(n: float | None) -> str:
    """Write a whole number with thin separators; a dash for None."""
    return "–" if n is None else f"{round(n):,}".replace(",", "\u202f")


def percent(fraction: float | None, digits: int = 1) -> str:
    """Write a share in percent; a dash for None."""
    return "–" if fraction is None or fraction != fraction else f"{100 * fraction:.{digits}f}\u202f%"


def place(fraction: float) -> str:
    """Write a share as a length of CSS."""
    return f"{100 * min(max(fraction, 0.0), 1.0):.2f}%"


def cut(text: str, most: int) -> str:
    """Shorten a text at a word."""
    flat = " ".join(text.split())
    if len(flat) <= most:
        return flat
    return flat[:most].rsplit(" ", 1)[0] + " …"


def without_folders(text: str) -> str:
    """Take the folders out of paths in a text, so that it tells nothing of a machine; addresses stay."""
    parts = re.split(r"(\w+://[^\s,]+)", text)
    return "".join(part if i % 2 else _PATH.sub(r"\1", part) for i, part in enumerate(parts))


def sentence_of(figure: Figure) -> str:
    """Say a figure in a sentence, with its interval and what it rests on."""
    return (
        f"{figure.name}: {percent(figure.value)} [{100 * figure.low:.1f}, {100 * figure.high:.1f}], "
        f"{figure.of} ({count(figure.n)} {figure.unit})."
    )


def examples(found: Sequence[ShownDocument], n: int = 3, *, wrong: int = 1) -> list[ShownDocument]:
    """Choose examples that can be shown: confident and right, of different labels, and wrong ones too.

    Deterministic. The right ones come first, the most confident first, then those with a tag that is known
    to be wrong, where there is one; where nobody knows what is right, the most confident ones.

    Parameters
    ----------
    found : sequence of ShownDocument
        To choose from.
    n : int
        At most so many.
    wrong : int
        So many of them with a wrong tag, where there are any.
    """

    def sure(document: ShownDocument) -> float:
        known = [tag.probability or 0.0 for tag in document.tags]
        return sum(known) / max(len(known), 1)

    def surest_error(document: ShownDocument) -> float:
        return max(tag.probability or 0.0 for tag in document.tags if tag.right is False)

    bad = sorted((d for d in found if d.any_wrong), key=lambda d: (-surest_error(d), d.document_id))[:wrong]
    best = sorted(
        (d for d in found if d.tags and d not in bad),
        key=lambda d: (d.any_wrong, not d.all_right, -sure(d), d.document_id),
    )
    chosen: list[ShownDocument] = []
    names: set[str] = set()
    for apart in (True, False):
        for document in best:
            own = {tag.name for tag in document.tags}
            if len(chosen) < n - len(bad) and document not in chosen and not (apart and own & names):
                chosen.append(document)
                names |= own
    return [*chosen, *bad]


def shown_text(text: str) -> str:
    """Cut a document's text to what is shown of it."""
    return cut(text, _TEXT)


def definition(text: str) -> str:
    """Cut a label's definition to what the table has of it."""
    return cut(text, _DEFINITION)


__all__ = [
    "MOST_LABELS",
    "TRUTHS",
    "Figure",
    "LabelLine",
    "Lost",
    "Report",
    "ShownDocument",
    "ShownTag",
    "Truth",
    "count",
    "cut",
    "definition",
    "examples",
    "percent",
    "render",
    "sentence_of",
    "shown_text",
    "without_folders",
    "write_report",
]
