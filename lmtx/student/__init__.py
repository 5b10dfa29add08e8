"""Students: a small trained layer on a frozen encoder, or an encoder of their own."""

from lmtx.student.adapter import Adapter, AdapterConfig
from lmtx.student.export import save_sentence_transformer
from lmtx.student.kinds import KINDS, FinetuneConfig, StudentKind
from lmtx.student.tower import Tower

__all__ = [
    "KINDS",
    "Adapter",
    "AdapterConfig",
    "FinetuneConfig",
    "StudentKind",
    "Tower",
    "save_sentence_transformer",
]
