"""How the audit of pairs is drawn: all alike, or spread over labels so that rare ones are seen more."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from lmtx.config import write_atomically
from lmtx.errors import DAMAGED, InputError, NothingToDoError, StorageError
from lmtx.workspace.parts import Parts
from lmtx.workspace.population import Tags, tags_of
from lmtx.workspace.precision_models import Design

DESIGN_FILE = "audit.json"


@dataclass(frozen=True)
class Weights:
    """Relative inclusion probability of a label's pairs, as it was set with a design.

    `other` is that of labels that were not given then.
    """

    relative: dict[str, float] = field(default_factory=dict)
    other: float = 1.0

    def of_label(self, label_id: str) -> float:
        """Value of one label."""
        return self.relative.get(label_id, self.other)

    def of(self, label_ids: Sequence[str]) -> NDArray[np.float64]:
        """Values of labels, float64 (n_labels,)."""
        return np.array([self.of_label(x) for x in label_ids], dtype=np.float64)


ALIKE = Weights()


def frozen_weights(parts: Parts) -> Weights | None:
    """Return the weights that were set last for a draw spread over labels; None where none ever were."""
    path = parts.folder / DESIGN_FILE
    try:
        stamp = path.stat().st_mtime_ns
    except OSError:
        return None

    def read() -> Weights | None:
        try:
            body = json.loads(path.read_text(encoding="utf-8"))
            relative = {str(i): float(x) for i, x in body["relative"].items()}
            found = Weights(relative, float(body["other"]))
        except (*DAMAGED, AttributeError):
            return None
        usable = all(0 < x < np.inf for x in (found.other, *relative.values()))
        return found if usable else None

    found: Weights | None = parts.kept("audit weights", stamp, read)
    return found


def design_in_use(parts: Parts) -> Design:
    """How pairs are drawn now: alike where the weights that the setting asks for are not there."""
    return "uniform" if weights_in_use(parts) is ALIKE else "labels"


def weights_in_use(parts: Parts) -> Weights:
    """Weights by which pairs are drawn now."""
    drawn = frozen_weights(parts) if parts.settings.audit_design == "labels" else None
    return drawn or ALIKE


def weights_now(tags: Tags) -> Weights:
    """Weights that spread the draw over labels, by how often a run gives them."""
    from lmtx.quality.sampling import relative_inclusion

    counts = np.bincount(tags.label, minlength=len(tags.label_ids))
    found = relative_inclusion(np.append(counts, 1))
    values = [round(x, 6) for x in found.tolist()]
    return Weights(dict(zip(tags.label_ids, values[:-1], strict=True)), values[-1])


def set_design(parts: Parts, design: Design) -> None:
    """See `Workspace.set_audit_design`."""
    parts.must_write("Another draw")
    if design not in ("uniform", "labels"):
        raise InputError(f"Design {design!r} does not exist. Known: uniform, labels.")
    if design == "labels" and frozen_weights(parts) is None:
        tags = tags_of(parts)
        if tags is None:  # weights are kept for good, so none that weigh nothing
            raise NothingToDoError(
                "No training in use has tagged the reserve yet, so nothing says which labels are rare. Train "
                "first, then choose how pairs are drawn."
            )
        made = weights_now(tags)
        path = parts.folder / DESIGN_FILE
        try:
            write_atomically(
                path, json.dumps({"other": made.other, "relative": made.relative}, ensure_ascii=False)
            )
        except OSError as error:
            raise StorageError(f"{path}: can't be written ({error}). Check space and rights.") from error
    parts.update_settings({"audit_design": design})


__all__ = [
    "ALIKE",
    "Weights",
    "design_in_use",
    "frozen_weights",
    "set_design",
    "weights_in_use",
    "weights_now",
]
