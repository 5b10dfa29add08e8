"""One folder = one project: the facade that pages and the command line call."""

from lmtx.workspace.facade import Workspace
from lmtx.workspace.models import (
    DocumentDetail,
    Example,
    Hit,
    ImportReport,
    LabelDetail,
    NextStep,
    PairDetail,
    Status,
    Tag,
    TeachPreview,
    WorkspaceInfo,
)

__all__ = [
    "DocumentDetail",
    "Example",
    "Hit",
    "ImportReport",
    "LabelDetail",
    "NextStep",
    "PairDetail",
    "Status",
    "Tag",
    "TeachPreview",
    "Workspace",
    "WorkspaceInfo",
]
