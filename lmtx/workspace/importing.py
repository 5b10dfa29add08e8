"""Bringing files into a workspace: all or nothing, with a report."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from lmtx.encoder import language_warning
from lmtx.errors import InputError, NotFoundError
from lmtx.ingest import (
    ColumnMap,
    Issue,
    Preview,
    Source,
    read_documents,
    read_labels,
)
from lmtx.ingest import preview as preview_file
from lmtx.journal import ImportCounts
from lmtx.types import Document, Label, Progress, no_progress
from lmtx.workspace.models import ImportReport
from lmtx.workspace.parts import Parts

OnBad = Literal["stop", "skip"]
LabelsAre = Literal["gold", "completed", "none"]

_SHOWN_ISSUES = 100
_SHOWN_NAMES = 5
_EVERY = 500
_KEPT = (
    "Nothing was deleted: rows were left out, and what they stand for would have been taken for missing. "
    "Repair the file and import it again."
)
_KINDS: tuple[LabelsAre, ...] = ("gold", "completed")


def preview(
    parts: Parts, source: Source, kind: Literal["corpus", "labels"], columns: ColumnMap | None
) -> Preview:
    """Show how a file would be read; issues tell also of labels that do not exist."""
    shown = preview_file(source, kind, columns)
    if kind == "corpus":
        resolver = LabelResolver(parts.journal.labels())
        if resolver.n_labels:
            for item in shown.items:
                if isinstance(item, Document):
                    resolver.resolve(item)
            if (warning := resolver.warning()) is not None:
                shown.issues.append(
                    Issue(file=source.name, column=shown.guessed.labels, message=warning, severity="warning")
                )
    return shown


def import_corpus(
    parts: Parts,
    source: Source,
    columns: ColumnMap | None,
    *,
    labels_are: LabelsAre,
    on_bad: OnBad,
    delete_missing: bool,
    create_labels: bool,
    progress: Progress,
) -> ImportReport:
    """See `Workspace.import_corpus`."""
    began = time.monotonic()
    issues = _Issues(source.name, on_bad)
    warnings: list[str] = []
    if create_labels and labels_are != "none":
        made = _create_labels(parts, source, columns, issues, progress)
        issues = _Issues(source.name, on_bad)
        if made:
            warnings.append(f"{made} labels were made of names in {source.name} that no label had.")
    resolver = LabelResolver(parts.journal.labels())
    if labels_are == "completed" and not resolver.n_labels:
        raise InputError(
            f"{source.name}: its labels are to count as settled by people, but there is no label set yet. "
            "Import the label set first, or let the labels be made of the names in this file."
        )
    seen: set[str] = set()
    n_read = 0

    def documents() -> Iterator[Document]:
        nonlocal n_read
        for n, document in enumerate(read_documents(source, columns, on_issue=issues), start=1):
            n_read = n
            if delete_missing:
                seen.add(document.id)
            if n % _EVERY == 0:
                progress(n, 0, f"Reading {source.name}")
            if labels_are == "none":
                yield replace(document, labels=None)
            else:
                yield resolver.resolve(document)
        issues.check()  # inside the transaction: raising here leaves nothing imported
        if not n_read:
            raise InputError(f"{source.name}: no usable document in it. {issues.first()}")

    counts = parts.journal.put_documents(
        documents(), _role_of(parts), labels_are=labels_are, source=source.name
    )
    deleted = 0
    if delete_missing and issues.errors:
        warnings.append(_KEPT)
    elif delete_missing:
        missing = [i for i in parts.journal.document_ids() if i not in seen]
        deleted = parts.journal.delete_documents(missing) if missing else 0
    progress(counts.added + counts.updated + counts.unchanged, 0, "Imported")
    if labels_are != "none" and (warning := resolver.warning()) is not None:
        warnings.append(warning)
    counted = parts.journal.languages()
    if (warning := language_warning(parts.settings.encoder, counted)) is not None:
        warnings.append(warning)
    parts.after_import()
    return issues.report("corpus", counts, deleted, warnings, began)


def import_labels(
    parts: Parts,
    source: Source,
    columns: ColumnMap | None,
    *,
    on_bad: OnBad,
    delete_missing: bool,
    progress: Progress,
) -> ImportReport:
    """See `Workspace.import_labels`."""
    began = time.monotonic()
    issues = _Issues(source.name, on_bad)
    seen: set[str] = set()

    def labels() -> Iterator[Label]:
        for n, label in enumerate(read_labels(source, columns, on_issue=issues), start=1):
            seen.add(label.id)
            if n % _EVERY == 0:
                progress(n, 0, f"Reading {source.name}")
            yield label
        issues.check()
        if not seen:
            raise InputError(f"{source.name}: no usable label in it. {issues.first()}")

    counts = parts.journal.put_labels(labels(), source=source.name)
    deleted = 0
    warnings = []
    if delete_missing and issues.errors:
        warnings.append(_KEPT)
    elif delete_missing:
        missing = [x.id for x in parts.journal.labels() if x.id not in seen]
        deleted = parts.journal.delete_labels(missing) if missing else 0
    progress(len(seen), len(seen), "Imported")
    live = parts.journal.labels()
    names = Counter(x.name.casefold() for x in live)
    twice = sorted(name for name, n in names.items() if n > 1)
    if twice:
        warnings.append(
            f"{len(twice)} names belong to more than one label, e.g. {_some(twice)}. Labels in files are "
            "found by name only where it is unique: use ids there, or make the names differ."
        )
    known = {x.id for x in live}
    orphans = sorted({p for x in live for p in x.parents if p not in known})
    if orphans:
        warnings.append(
            f"{len(orphans)} broader labels are named but not in the set, e.g. {_some(orphans)}. "
            "Import them too, or they are left out of the hierarchy."
        )
    resolved, unknown = resolve_gold(parts, live)
    if resolved:
        warnings.append(f"Labels of {resolved} documents imported earlier were found in this label set.")
    if unknown:
        warnings.append(unknown)
    parts.after_import()
    return issues.report("labels", counts, deleted, warnings, began)


def resolve_gold(parts: Parts, labels: Sequence[Label]) -> tuple[int, str | None]:
    """Look up the labels of documents that were imported before the label set.

    Returns the number of documents whose labels are now found, and a warning about the rest.
    """
    resolver = LabelResolver(labels)
    changed: dict[str, tuple[tuple[str, ...], str]] = {}
    for document_id, given, kind in parts.journal.stated_labels():
        found = resolver.resolve(Document(document_id, "", "", labels=given)).labels
        if found is not None and found != given:
            changed[document_id] = (found, kind)
    ids = list(changed)
    for start in range(0, len(ids), 1000):
        texts = parts.journal.documents_by_id(ids[start : start + 1000])
        for labels_are in _KINDS:
            parts.journal.put_documents(
                [
                    replace(d, labels=changed[d.id][0])
                    for d in texts.values()
                    if changed[d.id][1] == labels_are
                ],
                _role_of(parts),
                labels_are=labels_are,
                source="label set",
            )
    return len(changed), resolver.warning()


def import_demo(parts: Parts, progress: Progress = no_progress) -> ImportReport:
    """Import the demo's label set and corpus; found in `demo/` beside the package."""
    folder = demo_folder()
    import_labels(
        parts, folder / "labels.jsonl", None, on_bad="stop", delete_missing=False, progress=progress
    )
    return import_corpus(
        parts,
        folder / "corpus.jsonl",
        None,
        labels_are="gold",
        on_bad="stop",
        delete_missing=False,
        create_labels=False,
        progress=progress,
    )


def demo_folder() -> Path:
    """Folder of the demo corpus.

    Raises
    ------
    NotFoundError
        If this is not a clone of the project.
    """
    folder = Path(__file__).resolve().parents[2] / "demo"
    if not (folder / "corpus.jsonl").is_file() or not (folder / "labels.jsonl").is_file():
        raise NotFoundError(
            f"{folder}: the demo corpus is not there. It comes with a clone of the project, not with the "
            "installed package; clone it, or import a corpus of your own."
        )
    return folder


class LabelResolver:
    """Finds label ids for what stands in a file: an id, else a name or alias that only one label has.

    What is not found stays as it stands, so that a label set that is imported later can still give
    it a meaning; until then nothing counts it.
    """

    def __init__(self, labels: Iterable[Label]) -> None:
        self._ids: set[str] = set()
        by_name: dict[str, set[str]] = {}
        by_alias: dict[str, set[str]] = {}
        for label in labels:
            self._ids.add(label.id)
            by_name.setdefault(_key(label.name), set()).add(label.id)
            for alias in label.aliases:
                by_alias.setdefault(_key(alias), set()).add(label.id)
        # A name beats an alias; what two labels share is nobody's.
        self._forms = {k: next(iter(v)) for k, v in by_alias.items() if len(v) == 1}
        self._forms.update({k: next(iter(v)) for k, v in by_name.items() if len(v) == 1})
        self._ambiguous = {k for k, v in by_name.items() if len(v) > 1}
        self._unknown: Counter[str] = Counter()
        self._n_documents = 0

    @property
    def n_labels(self) -> int:
        """Number of labels known."""
        return len(self._ids)

    def find(self, given: str) -> str | None:
        """Label id of an id, name or alias; None where there is none or more than one."""
        return given if given in self._ids else self._forms.get(_key(given))

    def resolve(self, document: Document) -> Document:
        """Return the document with ids for its labels, counting what is not found."""
        if not document.labels:
            return document
        found: dict[str, None] = {}
        missed = False
        for given in document.labels:
            label_id = self.find(given)
            if label_id is None:
                missed = True
                self._unknown[given] += 1
            found[label_id or given] = None
        self._n_documents += missed
        return replace(document, labels=tuple(found))

    def warning(self) -> str | None:
        """Tell the user of labels that were not found; None where all were."""
        if not self._unknown:
            return None
        names = [name for name, _ in self._unknown.most_common(_SHOWN_NAMES)]
        ambiguous = [name for name in self._unknown if _key(name) in self._ambiguous]
        rest = f" {len(ambiguous)} of them are the name of several labels." if ambiguous else ""
        what = (
            "Import the label set that has them; they are kept and found then, or let labels be made of them."
            if not self._ids
            else "They are kept but count for nothing. Check their spelling, import a label set that has "
            "them, or let labels be made of them."
        )
        return (
            f"{len(self._unknown)} labels in {self._n_documents} documents match no label's id, name or "
            f"alias, e.g. {_some(names)}.{rest} {what}"
        )


@dataclass
class _Issues:
    """Gathers issues; with `on_bad="stop"` the first hundred are told together, at the end of the file."""

    file: str
    on_bad: OnBad
    shown: list[Issue] = field(default_factory=list)
    n: int = 0
    errors: int = 0

    def __call__(self, issue: Issue) -> None:
        self.n += 1
        self.errors += issue.severity == "error"
        if len(self.shown) < _SHOWN_ISSUES:
            self.shown.append(issue)
        elif issue.severity == "error":  # an error tells more than a warning
            place = next((i for i, x in enumerate(self.shown) if x.severity != "error"), None)
            if place is not None:
                self.shown[place] = issue

    def check(self) -> None:
        """Raise if the import is to stop at bad rows and there were some."""
        if self.on_bad == "stop" and self.errors:
            bad = [x for x in self.shown if x.severity == "error"]
            more = f" and {self.errors - 5} more" if self.errors > 5 else ""
            listed = "\n".join(f"- {issue}" for issue in bad[:5])
            rows = "row is" if self.errors == 1 else "rows are"
            raise InputError(
                f"{self.file}: {self.errors} {rows} not usable; nothing was imported. "
                f"Repair the file, or have such rows left out.\n{listed}{more}"
            )

    def first(self) -> str:
        """Return the first issue as text, empty without one."""
        return str(self.shown[0]) if self.shown else ""

    def report(
        self, kind: str, counts: ImportCounts, deleted: int, warnings: list[str], began: float
    ) -> ImportReport:
        """Make the report of an import that went through."""
        return ImportReport(
            kind=kind,
            added=counts.added,
            updated=counts.updated,
            unchanged=counts.unchanged,
            deleted=deleted,
            skipped=self.errors,
            n_issues=self.n,
            issues=self.shown,
            warnings=warnings,
            seconds=time.monotonic() - began,
        )


def _create_labels(
    parts: Parts, source: Source, columns: ColumnMap | None, issues: _Issues, progress: Progress
) -> int:
    """Make labels of names in the file that no label has; returns how many."""
    resolver = LabelResolver(parts.journal.labels())
    names: dict[str, str] = {}
    for n, document in enumerate(read_documents(source, columns, on_issue=issues), start=1):
        if n % _EVERY == 0:
            progress(n, 0, f"Looking for labels in {source.name}")
        for given in document.labels or ():
            if resolver.find(given) is None:
                names.setdefault(_key(given), given)
    issues.check()
    if names:
        parts.journal.put_labels((Label(id=name, name=name) for name in names.values()), source=source.name)
    return len(names)


def _role_of(parts: Parts) -> Callable[[Document], Literal["train", "held_out", "reserve", "test"]]:
    settings = parts.settings
    return lambda document: settings.role_of(document.id, document.split)


def _key(name: str) -> str:
    return " ".join(name.casefold().split())


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(f"'{name[:60]}'" for name in names[:_SHOWN_NAMES])
    return shown if len(names) <= _SHOWN_NAMES else f"{shown}, …"
