"""What leaves the workspace: tables and model folders."""

from lmtx.export.model import write_model
from lmtx.export.tables import TABLE_FORMATS, plain_cell, safe_cell, write_table

__all__ = ["TABLE_FORMATS", "plain_cell", "safe_cell", "write_model", "write_table"]
