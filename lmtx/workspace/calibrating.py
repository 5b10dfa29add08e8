"""Where a reranker's yes begins, told by people's decisions."""

from __future__ import annotations

from lmtx.errors import InputError, NotFoundError
from lmtx.types import Judgment, Progress
from lmtx.workspace.parts import Parts
from lmtx.workspace.prompting import judged_decisions
from lmtx.workspace.teaching import context, register

_PAGE = 5_000


def calibrate(parts: Parts, teacher_key: str, progress: Progress) -> str:
    """See `Workspace.calibrate`."""
    from lmtx.teacher import load_teacher
    from lmtx.teacher.cross_encoder import CrossEncoderTeacher, calibrated_spec, raw_score

    row = next((t for t in parts.journal.teachers() if t.key == teacher_key and t.spec), None)
    if row is None:
        raise NotFoundError(f"Teacher {teacher_key[:12]!r} has judged nothing here. Choose one that has.")
    old = load_teacher(row.spec, context(parts))
    if not isinstance(old, CrossEncoderTeacher):
        raise InputError(
            f"Teacher {row.spec!r} gives no raw scores that could be calibrated. Only rerankers "
            "(cross-encoder:) do."
        )
    accepted = {(d.document_id, d.label_id): d.accepted for d in judged_decisions(parts, teacher_key)}
    judged = _all(parts, teacher_key)
    scores = {(j.document_id, j.label_id): raw_score(j.raw) for j in judged}
    both = [
        (score, accepted[pair]) for pair, score in scores.items() if score is not None and pair in accepted
    ]
    spec = calibrated_spec(row.spec, [x for x, _ in both], [y for _, y in both])
    new = load_teacher(spec, context(parts))
    assert isinstance(new, CrossEncoderTeacher)
    known = parts.journal.known_verdicts(new.key)
    again = [
        found
        for j in judged
        if (j.document_hash, j.label_hash) not in known and (found := new.rescored(j, old)) is not None
    ]
    register(parts, new)
    for start in range(0, len(again), _PAGE):
        progress(start, len(again), "Keeping the verdicts")
        parts.journal.append_judgments(again[start : start + _PAGE])
    parts.sync_soon()
    progress(len(again), len(again), "Done")
    return spec


def _all(parts: Parts, teacher_key: str) -> list[Judgment]:
    """All judgments of a teacher on current texts, the newest of each pair."""
    found: dict[tuple[str, str], Judgment] = {}
    last = 0
    while page := parts.journal.judgments_of(teacher_key, last, _PAGE):
        found.update({(j.document_id, j.label_id): j for j in page.values()})
        last = max(page)
    return list(found.values())
