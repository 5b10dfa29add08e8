"""What all tests share: the demo corpus, the real corpora, and a home that is no one's own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# No test may reach a model hub; the packaged encoder needs none.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


@pytest.fixture(scope="session", autouse=True)
def _home_of_shared_workspaces(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Leave the user's home alone in fixtures that several tests share, which are made before those of one.

    Else the app would open a test's workspace, as the one opened last.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LMTX_HOME", str(tmp_path_factory.mktemp("home")))
        patch.delenv("LMTX_WORKSPACE", raising=False)
        yield


@pytest.fixture(autouse=True)
def _home_of_no_one(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Workspaces that a test opens by default lie in a folder of its own."""
    monkeypatch.setenv("LMTX_HOME", str(tmp_path_factory.mktemp("home")))
    monkeypatch.delenv("LMTX_WORKSPACE", raising=False)


@pytest.fixture(scope="session")
def demo_folder() -> Path:
    """The demo corpus of this checkout: `corpus.jsonl` and `labels.jsonl`."""
    return ROOT / "demo"


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The real corpora (`debtags/`, `congress/`), or a skip that says why."""
    folder = Path(os.environ.get("LMTX_DATA", ""))
    if not os.environ.get("LMTX_DATA") or not (folder / "debtags").is_dir():
        pytest.skip("LMTX_DATA does not name a folder with debtags/ and congress/ (docs/corpora.md)")
    return folder
