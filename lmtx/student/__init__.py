"""The student: a small trained layer on top of a frozen encoder."""

from lmtx.student.adapter import Adapter, AdapterConfig
from lmtx.student.export import save_sentence_transformer
from lmtx.student.tower import Tower

__all__ = ["Adapter", "AdapterConfig", "Tower", "save_sentence_transformer"]
