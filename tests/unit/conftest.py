"""A workspace that was reviewed, trained twice and audited; several test files copy it, as it takes long."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from lmtx.workspace import Workspace


def complete(workspace: Workspace, n: int, policy: str, reviewer: str = "Ada") -> list[str]:
    """Let a person who knows gold complete the next documents of a queue."""
    gold = workspace.journal.gold("train")
    ids = []
    for _ in range(n):
        item = workspace.next_documents(policy, reviewer)[0]  # type: ignore[arg-type]
        right = set(gold[item.document.id])
        rest = {c.label_id for c in item.candidates} - right
        workspace.complete(item.document.id, reviewer, right, rest, item.policy, item.inclusion_probability)
        ids.append(item.document.id)
    return ids


@pytest.fixture(scope="session")
def audited_demo(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """Folder of the workspace, and its documents: `folder`, `before`, `since`, `audited`.

    The evidence teacher's cycle, a training on the 30 documents `before`, one on the 20 `since` too, and 40
    documents settled by the audit.
    """
    folder = tmp_path_factory.mktemp("audited") / "w"
    with Workspace.create(folder, reserve_share=0.4, audit_share=0.0) as workspace:
        workspace.demo()
        before = complete(workspace, 30, "default")
        workspace.train()
        since = complete(workspace, 20, "default")
        workspace.train()
        audited = complete(workspace, 40, "audit")
    return SimpleNamespace(folder=folder, before=before, since=since, audited=audited)


@pytest.fixture
def copied(audited_demo: SimpleNamespace, tmp_path: Path) -> Iterator[Callable[[], Workspace]]:
    """Open a copy of it, closed after the test."""
    opened: list[Workspace] = []

    def copy() -> Workspace:
        folder = tmp_path / f"copy-{len(opened)}"
        shutil.copytree(audited_demo.folder, folder)
        opened.append(Workspace.open(folder))
        return opened[-1]

    yield copy
    for workspace in opened:
        workspace.close()
