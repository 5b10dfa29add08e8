"""ICXML on a workspace's documents: what it is asked about, and the run that holds its predictions."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lmtx.encoder import encoder_key
from lmtx.errors import InputError, NotFoundError, NothingToDoError
from lmtx.types import Document, Progress, Run, content_hash, now
from lmtx.workspace import predicted, teaching
from lmtx.workspace.measuring import gold_documents
from lmtx.workspace.parts import Parts

if TYPE_CHECKING:
    from lmtx.baselines.icxml import IcxmlConfig, IcxmlInputs, Predicted
    from lmtx.teacher.answers import Answers

_FOLDER = "icxml"


def icxml(
    parts: Parts,
    teacher: str | None,
    variant: str,
    limit_docs: int | None,
    document_ids: Sequence[str] | None,
    budget_tokens: int | None,
    progress: Progress,
    settings: dict[str, Any],
) -> Run:
    """See `Workspace.icxml`."""
    from lmtx.baselines.icxml import icxml as label_documents
    from lmtx.teacher.answers import Answers
    from lmtx.teacher.generation import generator

    config = _config(variant, settings)
    if budget_tokens is not None and budget_tokens < 1:
        raise InputError(f"budget_tokens: got {budget_tokens}, expected 1 or more, or none.")
    if not parts.corpus().labels:
        raise NothingToDoError("There are no labels yet. Import a label set first.")
    documents = _documents(parts, limit_docs, document_ids)
    spec = teacher or parts.settings.teacher
    writer = generator(spec)
    teaching.load(parts, spec)  # says whether texts may be sent there
    answers = Answers(writer, parts.folder / _FOLDER, budget_tokens)
    start = time.monotonic()
    inputs = _inputs(parts, documents, progress)
    found = label_documents(inputs, answers, config, progress)
    if not found.labels:
        raise NothingToDoError(_nothing(answers))
    return _recorded(parts, inputs, answers, found, config, time.monotonic() - start)


def _config(variant: str, settings: dict[str, Any]) -> IcxmlConfig:
    from lmtx.baselines.icxml import IcxmlConfig

    known = [field.name for field in fields(IcxmlConfig)]
    unknown = sorted(settings.keys() - set(known))
    if unknown:
        raise InputError(f"ICXML setting {unknown[0]!r} does not exist. Known: {', '.join(known)}.")
    return IcxmlConfig(variant=variant, **settings)  # type: ignore[arg-type]


def _documents(parts: Parts, limit_docs: int | None, ids: Sequence[str] | None) -> list[Document]:
    """Documents that are named, else the first test documents with gold in row order."""
    if ids is None:
        return gold_documents(parts, "test", limit_docs)[0]
    found = parts.journal.documents_by_id(ids)
    missing = next((i for i in ids if i not in found), None)
    if missing is not None:
        raise NotFoundError(f"Document {missing!r} is not in this workspace. It may have been deleted.")
    return [found[i] for i in dict.fromkeys(ids)][:limit_docs]


def _inputs(parts: Parts, documents: list[Document], progress: Progress) -> IcxmlInputs:
    from lmtx.baselines.icxml import IcxmlInputs

    view = parts.corpus()
    # Of role train alone: held out and reserved documents measure, and none of them is shown.
    pool = [view.documents[int(i)] for i in view.rows("train")]
    return IcxmlInputs(
        documents=documents,
        vectors=parts.document_vectors(documents, progress),
        pool=pool,
        pool_vectors=parts.document_vectors(pool, progress),
        labels=view.labels,
        label_vectors=parts.label_vectors(view.labels, progress),
        encode=lambda texts: parts.encoder().encode(texts, role="label"),
    )


def _nothing(answers: Answers) -> str:
    if answers.stopped:
        return (
            f"The budget of tokens was used up before one document was done ({answers.tokens_asked} spent). "
            "What was answered is kept: allow more tokens, and it goes on from there."
        )
    why = answers.problems[-1] if answers.problems else "no answer came"
    return f"No document was answered: {why.rstrip('.')}. What was answered is kept."


def _recorded(
    parts: Parts,
    inputs: IcxmlInputs,
    answers: Answers,
    found: Predicted,
    config: IcxmlConfig,
    seconds: float,
) -> Run:
    used = answers.used.values()
    tokens_in, tokens_out = sum(x.tokens_in for x in used), sum(x.tokens_out for x in used)
    created = now()
    key = answers.generator.key
    fingerprint = content_hash(
        key,
        json.dumps(asdict(config), sort_keys=True),
        *(x.hash for x in inputs.documents),
        *(x.hash for x in inputs.labels),
    )
    run_id = f"{created:%Y%m%d-%H%M%S}-{fingerprint[:4]}{os.urandom(2).hex()}"
    folder = Path("runs") / run_id
    record = {
        "documents": found.labels,
        "calls": len(used),
        "tokens": tokens_in + tokens_out,
        "variant": config.variant,
    }
    predicted.write(parts.folder / folder, record)
    run = Run(
        id=run_id,
        created=created,
        kind=predicted.KIND,
        config={
            "icxml": asdict(config),
            "teacher": answers.generator.spec,
            "teacher_key": key,
            "encoder": encoder_key(parts.settings.encoder),
        },
        fingerprint=fingerprint,
        folder=folder.as_posix(),
        metrics={
            "n_documents": len(found.labels),
            "n_asked_for": len(inputs.documents),
            "calls": len(used),
            "tokens": tokens_in + tokens_out,
            "tokens_out": tokens_out,
            "cost": round(sum(x.cost for x in used), 6),
            "calls_new": answers.n_asked,
            "tokens_new": answers.tokens_asked,
            "seconds": round(seconds, 2),
            "n_unmapped": found.n_unmapped,
            "n_unordered": found.n_unordered,
            "stopped": answers.stopped,
            "n_problems": len(answers.problems),
            "problem": answers.problems[-1] if answers.problems else "",
            "gate": {"passed": False, "basis": "none", "message": predicted.NO_MODEL},
        },
    )
    parts.journal.put_run(run)
    return run
