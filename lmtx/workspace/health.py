"""Checks of the installation and a workspace, for `lmtx doctor`."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lmtx.config import home
from lmtx.errors import LmtxError
from lmtx.workspace.facade import Workspace

_PACKAGES = ("torch", "sentence-transformers", "chromadb", "streamlit", "pandas", "scikit-learn")
_FREE_BYTES = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at: whether it is good, and what was found (with the remedy if not)."""

    name: str
    good: bool
    found: str


def check(workspace: Workspace | None) -> list[Check]:
    """Look at the installation, and at a workspace where one is given."""
    folder = workspace.folder if workspace is not None else home()
    checks = [
        _look("python", lambda: f"{sys.version.split()[0]}, {os.cpu_count()} cores"),
        _look("packages", _packages),
        _look("encoder weights", lambda: _encoder(workspace)),
        _look("device", _device),
        _look("free space", lambda: _space(folder)),
    ]
    if workspace is not None:
        checks += [
            _look("journal", lambda: _journal(workspace)),
            _look("search index", lambda: _index(workspace)),
            _look("vectors", lambda: _vectors(workspace)),
        ]
    return checks


def _look(name: str, make: Callable[[], str]) -> Check:
    try:
        return Check(name, True, make())
    except LmtxError as error:
        return Check(name, False, str(error))
    except (ImportError, OSError, ValueError, RuntimeError) as error:
        return Check(name, False, f"{type(error).__name__}: {error}. Install the requirements again.")


def _packages() -> str:
    found = []
    for name in _PACKAGES:
        try:
            found.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError as error:
            raise ImportError(f"{name} is not installed") from error
    return ", ".join(found)


def _encoder(workspace: Workspace | None) -> str:
    from lmtx.encoder import load_encoder

    name = workspace.settings.encoder if workspace is not None else "minilm"
    encoder = load_encoder(name)
    encoder.load()
    return f"{name}: {encoder.dim} dimensions, {encoder.precision} on {encoder.device}"


def _device() -> str:
    import torch

    if torch.cuda.is_available():
        return f"CUDA: {torch.cuda.get_device_name()}"
    return "MPS" if torch.backends.mps.is_available() else f"CPU, {torch.get_num_threads()} threads"


def _space(folder: Path) -> str:
    there = next(p for p in (folder.resolve(), *folder.resolve().parents) if p.exists())
    free = shutil.disk_usage(there).free
    if free < _FREE_BYTES:
        raise OSError(f"only {free // 1_000_000} MB free at {there}; free some")
    return f"{free / 1e9:.0f} GB at {there}"


def _journal(workspace: Workspace) -> str:
    counts = workspace.journal.counts()
    return f"{counts['documents']} documents, {counts['labels']} labels, {counts['decisions']} decisions"


def _index(workspace: Workspace) -> str:
    return workspace.index_report()


def _vectors(workspace: Workspace) -> str:
    missing = workspace.n_without_vector()
    return "all there" if not missing else f"{missing} to be made: `lmtx embed`, or the next cycle"
