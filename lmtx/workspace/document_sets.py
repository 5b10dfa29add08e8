"""Sets of documents that a person picked, on the map or in a search: small files named by their content."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from lmtx.config import write_atomically
from lmtx.errors import DAMAGED, InputError, NotFoundError, StorageError
from lmtx.types import content_hash
from lmtx.workspace.parts import Parts


def save(parts: Parts, document_ids: Sequence[str]) -> str:
    """See `Workspace.save_documents`."""
    known = parts.corpus().document_idx
    ids = sorted({i for i in document_ids if i in known}, key=known.__getitem__)
    if not ids:
        raise InputError("No document was picked. Pick some, and try again.")
    set_id = content_hash("documents-1", *ids)[:16]
    path = parts.folder / "sets" / f"{set_id}.json"
    if parts.read_only:
        parts.kept(f"set {set_id}", None, lambda: ids)  # its address holds as long as this process
    elif not path.is_file():
        try:
            path.parent.mkdir(exist_ok=True)
            write_atomically(path, json.dumps(ids, ensure_ascii=False))
        except OSError as error:
            raise StorageError(f"{path}: can't be written ({error}). Check space and rights.") from error
    return set_id


def saved(parts: Parts, set_id: str) -> list[str]:
    """See `Workspace.saved_documents`."""
    missing = f"There is no set of documents {set_id!r} in this workspace. Pick the documents again."
    if not re.fullmatch(r"[0-9a-f]{16}", set_id):
        raise NotFoundError(missing)
    path = parts.folder / "sets" / f"{set_id}.json"

    def read() -> list[str]:
        try:
            return [str(i) for i in json.loads(path.read_text(encoding="utf-8"))]
        except DAMAGED as error:
            raise NotFoundError(missing) from error

    ids: list[str] = parts.kept(f"set {set_id}", None, read)
    known = parts.corpus().document_idx
    return [i for i in ids if i in known]
