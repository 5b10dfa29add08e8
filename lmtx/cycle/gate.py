"""Whether a new run may take over: it must not be worse, as far as that can be told.

People know best, so where they have completed documents these decide. But documents that were completed
badly make a run that learned from them look good on those very documents. So a run is compared with those
before it on the documents that were completed before, each ranked by both without having been seen; and the
more the newly completed ones surprise the run in use, the more those before must speak for the new run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

import numpy as np
from numpy.typing import NDArray

from lmtx.cycle.by_label import LabelChange, label_changes
from lmtx.cycle.completed import Completed
from lmtx.cycle.held_out import MIN_DOCUMENTS, judged_quality
from lmtx.quality import standard_error
from lmtx.tagger import HeldOut, Tagger

MIN_COMMON = 10
"""Fewer completed documents than this that two runs share decide nothing between them."""

FEW_COMMON = 30
"""On fewer shared documents than this the run in use looks too good, since its weights were chosen on them:
what was completed since may speak for the new run too, where nothing about it is strange."""

MIN_FRESH = 5
"""Fewer newly completed documents than this surprise nobody."""

TEACHER_ERRORS = 3.0
"""So many standard errors a run may fall by the teacher's verdicts where people have nothing to compare on:
they may rightly overrule a teacher, so this only catches what ruins a run."""

_KEPT = 10
"""Labels that got worse most, which are kept with the run."""

_CALM, _ALARMED = 2.0, 5.0
_DRIFT = -2.0  # against earlier runs: one honest run in six falls by a standard error by chance
_FITTED = 0.35
"""How much too well a run ranks the ten documents that its weights were chosen on, at most; none of thirty.
With `benchmarks/review_gain.py debtags` honest runs ranked the next documents 38 to 42 points worse."""
_SPREAD, _SPREAD_OF_GAIN = 0.25, 0.08
"""Standard deviations over documents, of quality and of its change, that none are taken to be below: a dozen
documents may be alike by chance."""
_REMEDY = "Look at the newest decisions, or use it all the same: choose it among the runs on Train."


@dataclass(frozen=True)
class Gate:
    """Whether a new tagger may take over.

    passed : bool
    basis : "held-out", "completed" or "none"
        What it was compared on; "none": nothing could be compared, and nothing is claimed.
    message : str
        For the user.
    tagger, zero_shot : float or None
        Quality of the two on it.
    promoted, compared : float or None
        Quality of the run in use and of the new one, on the documents on which these could be compared.
    se : float or None
        Standard error of the difference of tagger and zero-shot.
    n_docs, n_compared : int
        Documents behind these figures.
    surprise : float or None
        By how many standard errors the run in use ranks the newly completed documents other than those
        before.
    n_better, n_worse : int
        Labels that the new run tags better and worse than the one in use, beyond chance; they decide nothing.
    labels : tuple of LabelChange
        The labels with most losses against the one in use, beyond chance or not, at most ten.
    """

    passed: bool
    basis: str
    message: str
    tagger: float | None = None
    zero_shot: float | None = None
    promoted: float | None = None
    se: float | None = None
    n_docs: int = 0
    compared: float | None = None
    n_compared: int = 0
    surprise: float | None = None
    n_better: int = 0
    n_worse: int = 0
    labels: tuple[LabelChange, ...] = ()

    def as_dict(self) -> dict[str, object]:
        """As it is kept with the run."""
        return asdict(self)


@dataclass(frozen=True)
class Before:
    """What a new run is compared with.

    Attributes
    ----------
    tagger : Tagger or None
        The one in use.
    runs : sequence of Completed
        What the runs promoted last found on completed documents, the one in use first. A run of some time
        ago is among them so that many small losses do not add up.
    fresh : mapping of str to float
        Document completed since the one in use was trained -> how well that one ranks it.
    whole : mapping of str to float
        The same of all documents over which the new run was validated, where nothing else compares the two.
    """

    tagger: Tagger | None = None
    runs: Sequence[Completed] = ()
    fresh: Mapping[str, float] = field(default_factory=dict)
    whole: Mapping[str, float] = field(default_factory=dict)


def gate(
    tagger: Tagger,
    zero_shot: Tagger,
    before: Before,
    held_out: HeldOut | None,
    completed: Completed | None = None,
) -> Gate:
    """Compare a new tagger with the zero-shot ranking, with the one in use, and with those before it.

    Parameters
    ----------
    tagger, zero_shot : Tagger
    before : Before
    held_out : HeldOut or None
        Read where people have completed nothing to compare on.
    completed : Completed, optional
        What the new run found on completed documents.
    """
    if tagger.validation and completed is not None:
        return _by_people(tagger, before, held_out, completed)
    if tagger.teacher == "evidence":
        return Gate(
            True, "none", "The evidence teacher's own opinion proves nothing, so nothing is compared."
        )
    if held_out is None or len(held_out.texts) < MIN_DOCUMENTS:
        return Gate(True, "none", "There are too few held-out judged documents to compare on.")
    ours, base = judged_quality(tagger, held_out), judged_quality(zero_shot, held_out)
    n = len(ours)
    message = f"On {n} held-out documents, by the teacher's verdicts: precision {_percent(ours)}, "
    message += f"without any learning {_percent(base)}"
    passed = bool(ours.mean() >= base.mean())
    in_use: float | None = None
    if before.tagger is not None and before.tagger.label_ids == tagger.label_ids:
        theirs = judged_quality(before.tagger, held_out)
        in_use = float(theirs.mean())
        passed = passed and float((ours - theirs).mean()) >= -standard_error(ours - theirs)
        message += f", the one in use {_percent(theirs)}"
    return Gate(
        passed,
        "held-out",
        f"{message}." if passed else f"Not promoted. {message}. {_REMEDY}",
        tagger=float(ours.mean()),
        zero_shot=float(base.mean()),
        promoted=in_use,
        se=standard_error(ours - base),
        n_docs=n,
        compared=None if in_use is None else float(ours.mean()),
        n_compared=0 if in_use is None else n,
    )


def _by_people(tagger: Tagger, before: Before, held_out: HeldOut | None, completed: Completed) -> Gate:
    quality, base, n = (tagger.validation[x] for x in ("tagger", "zero_shot", "n_docs"))
    surprise = _surprise(before, completed)
    facts: dict[str, object] = {
        "tagger": quality,
        "zero_shot": base,
        "se": tagger.validation["se"],
        "n_docs": int(n),
        "surprise": surprise,
    }
    said = f"On the {int(n)} documents that people completed (each ranked without its own labels): quality "
    said += f"{_percent(quality)}, without any learning {_percent(base)}."
    problem = f"{said[:-1]}, which is better." if quality < base else ""
    by_label = ""
    for i, run in enumerate(before.runs):
        common = completed.in_common(run)
        if len(common) < (MIN_COMMON if i == 0 else FEW_COMMON):
            continue
        ours = np.array([completed.quality[x] for x in common])
        theirs = np.array([run.quality[x] for x in common])
        asked = _asked(surprise) if i == 0 else _DRIFT
        if i == 0:
            facts |= {
                "promoted": float(theirs.mean()),
                "compared": float(ours.mean()),
                "n_compared": len(common),
            }
            said += f" On the {len(common)} of them that the run in use was measured on: now "
            said += f"{_percent(ours)}, before {_percent(theirs)}."
            by_label, found = _by_label(completed, run)
            facts |= found
        gain = ours - theirs
        enough = gain.mean() >= asked * _error(gain) and (gain.mean() > 0 or asked <= 0)
        if i == 0 and not enough and len(common) < FEW_COMMON and asked <= 0:
            since = [completed.quality[x] - q for x, q in before.fresh.items() if x in completed.quality]
            every = np.concatenate([gain, since])
            enough = len(since) >= len(common) and every.mean() >= -_error(every)
        if not problem and not enough:
            problem = _worse(ours, theirs, before, asked if i == 0 else None)
    if not problem and "promoted" not in facts:
        problem = _not_comparable(tagger, before, held_out, completed)
    message = f"Not promoted: {_lower(problem)}{by_label} {_REMEDY}" if problem else f"{said}{by_label}"
    return Gate(not problem, "completed", message, **facts)  # type: ignore[arg-type]


def _by_label(completed: Completed, in_use: Completed) -> tuple[str, dict[str, object]]:
    """Say how many labels the new run tags otherwise than the one in use, beyond chance; " ..." or ""."""
    common = [i for i in completed.tagged_in_common(in_use) if i in completed.wanted]
    if len(common) < MIN_COMMON:
        return "", {}
    wanted, old, new = ([x[i] for i in common] for x in (completed.wanted, in_use.tags, completed.tags))
    found = label_changes(wanted, old, new)
    better, worse = (sum(x.got == word for x in found) for word in ("better", "worse"))
    said = f" Label by label, {better} got better and {worse} got worse, beyond chance."
    worst = tuple(x for x in found if x.lost > x.gained)[:_KEPT]
    return said, {"n_better": better, "n_worse": worse, "labels": worst}


def _surprise(before: Before, completed: Completed) -> float | None:
    """How other what was completed since is than what was before, in standard errors; below 0: ranked worse.

    By the run in use, which knows nothing of it. But it may have learned from a teacher's verdicts there, and
    rank it too well: so "better" counts only as far as the new run, which left these out, says so too.
    """
    if not before.runs or len(before.fresh) < MIN_FRESH:
        return None
    known = list(before.runs[0].quality.values())
    if len(known) < MIN_COMMON:
        return None
    by_old = _apart(list(before.fresh.values()), known)
    if by_old <= 0:
        few = max(0.0, (FEW_COMMON - len(known)) / (FEW_COMMON - MIN_COMMON))
        return min(0.0, _apart(list(before.fresh.values()), [q - few * _FITTED for q in known]))
    ours = [completed.quality[i] for i in before.fresh if i in completed.quality]
    rest = [completed.quality[i] for i in completed.in_common(before.runs[0])]
    if len(ours) < MIN_FRESH or len(rest) < MIN_COMMON:
        return by_old
    return max(0.0, min(by_old, _apart(ours, rest)))


def _apart(fresh: Sequence[float], known: Sequence[float]) -> float:
    """Standard errors between two means; by the spread of the known alone, since answers may be all alike.

    A few known documents count half: the run in use was fitted to them, and looks too good there.
    """
    n_known = len(known) if len(known) >= FEW_COMMON else len(known) / 2
    error = max(float(np.std(known, ddof=1)), _SPREAD) * np.sqrt(1 / n_known + 1 / len(fresh))
    return float((np.mean(fresh) - np.mean(known)) / error)


def _error(gain: NDArray[np.float64]) -> float:
    """Standard error of a mean change."""
    return max(standard_error(gain), _SPREAD_OF_GAIN / float(np.sqrt(len(gain))))


def _asked(surprise: float | None) -> float:
    """Standard errors by which a new run must be above the one in use: -1 where nothing is strange."""
    return -1.0 if surprise is None else float(np.clip(abs(surprise) - _CALM, -1.0, _ALARMED - _CALM))


def _worse(
    ours: NDArray[np.float64], theirs: NDArray[np.float64], before: Before, asked: float | None
) -> str:
    n, falls = len(ours), ours.mean() < theirs.mean()
    on = f"on the {n} documents completed before, "
    if asked is None:
        return (
            f"{on}quality would be {_percent(ours)}, and {_percent(theirs)} with a run that was in use "
            "shortly before: several small losses add up."
        )
    fate = (
        f"it would fall from {_percent(theirs)} to {_percent(ours)}."
        if falls
        else f"it would only go from {_percent(theirs)} to {_percent(ours)}."
    )
    if asked <= 0:
        return f"{on}{fate}"
    fresh, known = list(before.fresh.values()), list(before.runs[0].quality.values())
    return (
        f"the {len(fresh)} documents completed since are unlike those before (the run in use ranks them with "
        f"{_percent(fresh)}, the earlier ones with {_percent(known)}), and {on}{fate}"
    )


def _not_comparable(tagger: Tagger, before: Before, held_out: HeldOut | None, completed: Completed) -> str:
    """Why a run may not take over although too few completed documents compare it with the one in use."""
    if before.runs:
        old = before.runs[0]
        there = [i for i in old.quality if i in completed.truth]
        changed = sum(completed.truth[i] != old.truth.get(i) for i in there)
        if len(there) >= MIN_COMMON and changed >= len(there) / 2:
            return (
                f"of the {len(there)} completed documents that the run in use was measured on, {changed} "
                "have other labels now, so nothing is left to compare on."
            )
    if tagger.teacher != "teacher" or held_out is None or len(held_out.texts) < MIN_DOCUMENTS:
        return ""
    if before.tagger is None or before.tagger.label_ids != tagger.label_ids:
        return ""
    loss = judged_quality(before.tagger, held_out) - judged_quality(tagger, held_out)
    if loss.mean() <= TEACHER_ERRORS * standard_error(loss):
        return ""
    gain = np.array([q - before.whole[i] for i, q in completed.quality.items() if i in before.whole])
    if len(gain) > 1 and gain.mean() > standard_error(gain):
        return ""  # people say that it is the teacher who errs
    return (
        f"by the teacher's verdicts on {len(loss)} held-out documents, precision would fall by "
        f"{100 * loss.mean():.1f} points, and the documents completed so far do not say that this is better."
    )


def _percent(value: float | Sequence[float] | NDArray[np.float64]) -> str:
    return f"{100 * float(np.mean(value)):.1f} %"


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]
