"""The model as a folder that stands for itself: the student for sentence-transformers, and the tagger."""

from __future__ import annotations

import json
import shutil
import tempfile
import zipfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from lmtx.errors import InputError, StorageError
from lmtx.types import Run

if TYPE_CHECKING:
    from lmtx.encoder import SentenceEncoder
    from lmtx.tagger import Tagger

_README = """# {name}

`student/` loads with plain sentence-transformers:

    from sentence_transformers import SentenceTransformer
    model = SentenceTransformer("student")
    documents = model.encode_query(["a text"])
    labels = model.encode_document(["a label's name"])
    scores = documents @ labels.T

`tagger/` is the whole tagger (`lmtx.tagger.Tagger.load("tagger")`); `run.json` says how it was trained.
"""


def write_model(
    tagger: Tagger, run_folder: Path, run: Run, encoder: SentenceEncoder, format: str, out: Path
) -> Path:
    """Write the model of a run.

    Parameters
    ----------
    tagger : Tagger
        Of the run.
    run_folder : Path
        Where it lies.
    run : Run
    encoder : SentenceEncoder
        The workspace's, whose weights become part of the model; a student with an encoder of its own
        brings that instead.
    format : {"folder", "zip"}
    out : Path
        A folder that is new or empty, or a file.

    Raises
    ------
    InputError
        If the format is unknown or the folder is not empty.
    StorageError
        If it can't be written.
    """
    if format not in ("folder", "zip"):
        raise InputError(f"Format {format!r} is unknown for a model. Known: folder, zip.")
    if out.exists() and (format == "zip" or not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out}: exists already. Name a new file or folder.")
    if not out.resolve().parent.is_dir():
        raise InputError(f"{out}: its folder does not exist. Make it first.")
    try:
        with tempfile.TemporaryDirectory(dir=out.resolve().parent, prefix=f".{out.name}.") as name:
            made = Path(name) / "model"
            _fill(made, tagger, run_folder, run, encoder)
            if format == "folder":
                if out.is_dir():
                    out.rmdir()
                made.replace(out)
            else:
                packed = Path(name) / "model.zip"
                with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
                    for path in sorted(made.rglob("*")):
                        archive.write(path, path.relative_to(made))
                packed.replace(out)
    except OSError as error:
        raise StorageError(
            f"{out}: can't be written ({error.strerror or error}). Check space and rights."
        ) from error
    return out


def _fill(made: Path, tagger: Tagger, run_folder: Path, run: Run, encoder: SentenceEncoder) -> None:
    shutil.copytree(run_folder, made / "tagger")
    if tagger.student is not None:
        from lmtx.student import save_sentence_transformer

        own, label_vectors = encoder, tagger.label_vectors
        if tagger.tower is not None and tagger.tower_labels is not None:
            own, label_vectors = tagger.tower.encoder, tagger.tower_labels
        save_sentence_transformer(tagger.student, own, made / "student", label_vectors, tagger.label_ids)
    facts = {**asdict(run), "created": run.created.isoformat(), "encoder": encoder.name}
    (made / "run.json").write_text(
        json.dumps(facts, ensure_ascii=False, indent=1, default=str), encoding="utf-8"
    )
    (made / "README.md").write_text(_README.format(name=f"Run {run.id}"), encoding="utf-8")
