"""Encoders of a workspace: which there are, what one would be, and pre-training one."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lmtx.baselines import train_documents
from lmtx.config import write_atomically
from lmtx.encoder import PACKAGED, SentenceEncoder, label_text, load_encoder
from lmtx.encoder.identity import BASE_FILE, base_of, is_local, is_packaged
from lmtx.errors import InputError, NothingToDoError
from lmtx.jobs import spare_cores
from lmtx.types import Document, FloatArray, Progress, content_hash, no_progress, unit_hash
from lmtx.workspace.encoder_models import EncoderEntry, EncoderPreview, ZooEntry
from lmtx.workspace.parts import Parts

if TYPE_CHECKING:
    import pandas as pd
    from sentence_transformers import SentenceTransformer

    from lmtx.encoder.assembly import EncoderSpec
    from lmtx.pretrain import Corpus, PretrainConfig
    from lmtx.student.losses import JudgedPairs

FOLDER = "encoders"
"""Pre-trained encoders lie in this folder of the workspace, with `NAME.json` beside each."""

STUDENT = "student"
"""As `teacher` of a pre-training: the student of the promoted run."""

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_LOSSES = "losses.jsonl"


def encoder_parts() -> dict[str, dict[str, str]]:
    """See `Workspace.encoder_parts`."""
    from lmtx.encoder.assembly import REGISTRIES
    from lmtx.pretrain import OBJECTIVES

    found = {kind: {name: entry.about for name, entry in names.items()} for kind, names in REGISTRIES.items()}
    return {**found, "objective": {name: about for name, (_, about) in OBJECTIVES.items()}}


def encoder_zoo() -> list[ZooEntry]:
    """See `Workspace.encoder_zoo`."""
    from lmtx.pretrain.tried import tried

    return [ZooEntry(**{**entry, "measured": tuple(entry["measured"])}) for entry in tried()]


def encoders(parts: Parts) -> list[EncoderEntry]:
    """See `Workspace.encoders`."""
    used = parts.settings.encoder
    found = [EncoderEntry(PACKAGED, PACKAGED, is_packaged(used), False, {})]
    for path in sorted((parts.folder / FOLDER).glob("*.json")):
        target = path.with_suffix("")
        if target.is_dir():
            facts = json.loads(path.read_text(encoding="utf-8"))
            found.append(EncoderEntry(target.name, str(target), _same(used, target), True, facts))
    if not any(entry.in_use for entry in found):
        found.insert(1, EncoderEntry(used, used, True, False, {}))
    return found


def forget_encoder(parts: Parts, name: str) -> None:
    """See `Workspace.forget_encoder`."""
    parts.must_write("An encoder deleted")
    target = _target(parts, name)
    if _same(parts.settings.encoder, target):
        raise InputError(f"Encoder {name!r} is in use. Switch to another one first.")
    _facts_file(target).unlink(missing_ok=True)
    shutil.rmtree(target, ignore_errors=True)
    _losses_file(target).unlink(missing_ok=True)


def encoder_preview(parts: Parts, encoder: str | Mapping[str, Any], n_documents: int) -> EncoderPreview:
    """See `Workspace.encoder_preview`."""
    from lmtx.encoder.assembly import assemble, spec_of
    from lmtx.student.trainer import quiet

    documents = parts.corpus().documents[: max(n_documents, 0)]
    known = ("default", parts.settings.encoder)
    if isinstance(encoder, str) and (encoder in known or is_packaged(encoder) or is_local(encoder)):
        name = PACKAGED if encoder == "default" else encoder
        return _preview(load_encoder(name, parts.settings.device), documents)
    spec = spec_of(encoder)
    texts = [d.full_text for d in train_documents(parts.corpus())[:2_000]]
    with tempfile.TemporaryDirectory() as folder, quiet():
        _save(assemble(spec, _base(parts).model, texts, parts.settings.seed), Path(folder), "")
        return _preview(load_encoder(folder, parts.settings.device), documents)


def pretrain(
    parts: Parts,
    name: str,
    encoder: str | Mapping[str, Any],
    objectives: Mapping[str, float] | None,
    steps: int,
    progress: Progress,
    config: dict[str, Any],
) -> dict[str, Any]:
    """See `Workspace.pretrain`."""
    from lmtx.encoder.assembly import spec_of
    from lmtx.pretrain import check_objectives, pretrain_config
    from lmtx.pretrain import pretrain as train_by
    from lmtx.student.trainer import quiet

    parts.must_write("A pre-training")
    target = _target(parts, name)
    if _facts_file(target).is_file():
        raise InputError(f"There is an encoder {name!r} already. Choose another name, or delete it first.")
    if not isinstance(steps, int) or steps < 0:
        raise InputError(f"Steps of a pre-training: got {steps!r}, expected 0 or more, whole.")
    spec = spec_of(encoder)
    weights = check_objectives(objectives or _usual(spec))
    settings = pretrain_config(
        spec, steps, **{"seed": parts.settings.seed, "threads": spare_cores(), **config}
    )
    documents = _documents(parts, settings)
    judged, said = _judged(parts, documents, weights)
    key = [
        spec.json(),
        weights,
        asdict(settings),
        parts.encoder().key,
        [d.hash for d in documents],
        [x.hash for x in parts.corpus().labels],
        said,
    ]
    work = target.with_name(f".{name}-{content_hash(json.dumps(key, sort_keys=True))[:12]}")
    work.mkdir(parents=True, exist_ok=True)
    started, cpu = time.perf_counter(), time.process_time()
    with quiet():
        teacher = _teacher(parts, settings, work)
        _assembled(parts, spec, teacher, documents, settings, work / "start", progress)
    losses: dict[str, dict[str, float]] = {"first": {}, "last": {}}
    if steps:
        labels = [label_text(x) for x in parts.corpus().labels]
        learned = "distillation" in weights
        corpus = _corpus(parts, documents, labels, judged, teacher if learned else None)
        done = train_by(
            load_encoder(str(work / "start"), parts.settings.device, cache_folder=parts.folder),
            corpus,
            weights,
            target,
            settings,
            progress,
            checkpoints=work / "checkpoints",
            losses=work / _LOSSES,
        )
        losses = {"first": done.first, "last": done.last}
        shutil.copy(work / _LOSSES, _losses_file(target))
    else:
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(work / "start", target)
    facts = {
        "name": name,
        "path": str(target),
        **_size(load_encoder(str(target), "cpu").model),
        "steps": steps,
        "documents": len(documents),
        "seconds": round(time.perf_counter() - started, 1),
        "cpu_seconds": round(time.process_time() - cpu, 1),
        **losses,
        "spec": spec.json(),
        "objectives": weights if steps else {},
    }
    write_atomically(_facts_file(target), json.dumps(facts, indent=1) + "\n")
    for left in target.parent.glob(f".{name}-*"):
        shutil.rmtree(left, ignore_errors=True)
    return facts


def pretraining_losses(parts: Parts, name: str) -> pd.DataFrame:
    """See `Workspace.pretraining_losses`."""
    import pandas as pd

    from lmtx.pretrain import read_losses

    target = _target(parts, name)
    running = sorted(target.parent.glob(f".{name}-*/{_LOSSES}"), key=lambda p: p.stat().st_mtime)
    path = running[-1] if running else _losses_file(target)
    rows = [(step, n, loss) for step, said in read_losses(path).items() for n, loss in said.items()]
    return pd.DataFrame(rows, columns=["step", "objective", "loss"])


def _target(parts: Parts, name: str) -> Path:
    if not _NAME.fullmatch(name):
        raise InputError(
            f"Name of an encoder: got {name!r}, expected small letters, digits, '.', '_' or '-', for "
            "example 'archive-bigru'."
        )
    return parts.folder.resolve() / FOLDER / name


def _facts_file(target: Path) -> Path:
    return target.with_name(f"{target.name}.json")


def _losses_file(target: Path) -> Path:
    return target.with_name(f"{target.name}.{_LOSSES}")


def _same(used: str, target: Path) -> bool:
    return is_local(used) and Path(used).expanduser().resolve() == target.resolve()


def _usual(spec: EncoderSpec) -> dict[str, float]:
    return {"distillation": 1.0} if spec.encoder == "static" else {"mlm": 1.0, "inverse_cloze": 1.0}


def _documents(parts: Parts, settings: PretrainConfig) -> list[Document]:
    found = train_documents(parts.corpus())
    if len(found) < 2:
        raise NothingToDoError(
            f"{len(found)} documents to train on; expected 2 at least. Import documents of the split 'train'."
        )
    if settings.max_documents is None:
        return found
    order = sorted(found, key=lambda d: unit_hash(str(settings.seed), "pretrain", d.id))
    return order[: settings.max_documents]


def _judged(
    parts: Parts, documents: Sequence[Document], weights: Mapping[str, float]
) -> tuple[JudgedPairs | None, str]:
    """Verdicts and decisions on these documents, where an objective reads them, and a hash of them."""
    from lmtx.cycle.data import training_set
    from lmtx.pretrain import READ_VERDICTS
    from lmtx.types import Pairs

    if not READ_VERDICTS & set(weights):
        return None, ""
    from lmtx.student.losses import JudgedPairs

    training = training_set(parts.journal, parts.corpus())
    row = {d.id: i for i, d in enumerate(documents)}
    place = np.array([row.get(d.id, -1) for d in training.documents()], dtype=np.int32)
    pairs = training.pairs
    keep = place[pairs.document_idx] >= 0 if len(place) else np.zeros(0, dtype=np.bool_)
    kept = Pairs(
        place[pairs.document_idx[keep]], pairs.label_idx[keep], pairs.target[keep], pairs.weight[keep]
    )
    return JudgedPairs(kept, training.probability[keep]), training.fingerprint()


def _base(parts: Parts) -> SentenceEncoder:
    return parts.encoder()


def _teacher(parts: Parts, settings: PretrainConfig, work: Path) -> SentenceEncoder:
    """Return the encoder that is built on and learned from."""
    if settings.teacher is None:
        return _base(parts)
    if settings.teacher != STUDENT:
        return load_encoder(settings.teacher, parts.settings.device, cache_folder=parts.folder)
    from lmtx.workspace.exporting import export

    folder = work / STUDENT
    if not folder.is_dir():
        whole = work / "exported"
        shutil.rmtree(whole, ignore_errors=True)
        export(parts, "model", "folder", whole, no_progress)
        if not (whole / STUDENT).is_dir():
            raise NothingToDoError("The run in use has no student to learn from. Train one first.")
        (whole / STUDENT).rename(folder)
        shutil.rmtree(whole)
    return load_encoder(str(folder), parts.settings.device, cache_folder=parts.folder)


def _corpus(
    parts: Parts,
    documents: Sequence[Document],
    labels: Sequence[str],
    judged: JudgedPairs | None,
    teacher: SentenceEncoder | None,
) -> Corpus:
    from lmtx.pretrain import Corpus

    return Corpus.of(
        documents, labels, judged, None if teacher is None else _vectors(parts, teacher, documents, labels)
    )


def _vectors(
    parts: Parts, teacher: SentenceEncoder, documents: Sequence[Document], labels: Sequence[str]
) -> Callable[[Sequence[int], Sequence[int]], FloatArray]:
    """Vectors of a batch by the teacher, from the cache where they are there."""
    from lmtx.encoder import embed_documents

    names = teacher.encode(labels, role="label") if labels else np.zeros((0, teacher.dim), dtype=np.float32)

    def found(rows: Sequence[int], columns: Sequence[int]) -> FloatArray:
        read = embed_documents(teacher, parts.cache, [documents[i] for i in rows])
        return np.concatenate([read, names[list(columns)]])

    return found


def _assembled(
    parts: Parts,
    spec: EncoderSpec,
    base: SentenceEncoder,
    documents: Sequence[Document],
    settings: PretrainConfig,
    folder: Path,
    progress: Progress,
) -> None:
    """Write the encoder as it is before training; the same where it is there already."""
    from lmtx.encoder.assembly import assemble
    from lmtx.pretrain.static import distil_static

    if folder.is_dir():
        return
    texts = [d.full_text for d in documents]
    if spec.encoder == "static" and spec.start == "default":
        model = distil_static(base.model, texts, spec.width if spec.width < base.dim else None, progress)
    else:
        model = assemble(spec, base.model, texts, settings.seed)
    _save(model, folder, base_of(base.name) if spec.encoder == "pretrained" else "")


def _save(model: SentenceTransformer, folder: Path, base: str) -> None:
    part = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    model.save(str(part), create_model_card=False)
    (part / BASE_FILE).write_text(json.dumps({"encoder": base}), encoding="utf-8")
    if folder.is_dir():
        folder.rmdir()
    part.rename(folder)


def _size(model: SentenceTransformer) -> dict[str, int]:
    n = sum(p.numel() for p in model.parameters())
    return {"parameters": n, "bytes": 4 * n, "dim": int(model.get_embedding_dimension() or 0)}


def _preview(encoder: SentenceEncoder, documents: Sequence[Document]) -> EncoderPreview:
    size = _size(encoder.model)
    rate = None
    if documents:
        texts = [d.full_text for d in documents]
        encoder.encode((texts * 17)[:17])  # chooses the precision of many texts, and warms up
        start = time.perf_counter()
        encoder.encode(texts)
        rate = len(texts) / max(time.perf_counter() - start, 1e-9)
    modules = tuple(type(module).__name__ for module in encoder.model)
    return EncoderPreview(modules, size["parameters"], size["bytes"], size["dim"], rate)
