"""Settings of a workspace, where workspaces live, and the role of each document."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lmtx.errors import InputError, NotFoundError, StorageError
from lmtx.types import Role, Split, unit_hash

SETTINGS_FILE = "workspace.json"
_LAST_FILE = ".last"
_INSIDE = "./"  # begins the path of an encoder that lies in the workspace's folder

# Settings that decide what a document may be read by. Changing one after the import would let
# training read what was reserved for measuring, so `Settings.changed` refuses to.
_FROZEN = ("seed", "reserve_share", "held_out_share")


class Settings(BaseModel):
    """What a workspace remembers about how it works (`workspace.json`).

    Attributes
    ----------
    name : str
        Shown in the app; the folder's name where empty.
    seed : int
        Seed of the document roles, of queues and of training.
    encoder : str
        "minilm" (packaged), or the name or path of any sentence-transformers model. A path inside the
        workspace's folder is kept relative to it, so that the folder may be moved.
    device : str
        "auto", "cpu", "cuda" or "mps".
    reserve_share : float
        Fraction of the train documents kept for measuring (the audit reserve).
    held_out_share : float
        Fraction of the remaining train documents that are judged but never trained on.
    top_k : int
        Candidate labels of a document that the teacher is asked about.
    rounds : int
        Rounds of a cycle unless said otherwise.
    teacher : str
        Specification of the teacher last used.
    consented_hosts : tuple of str
        Machines that texts may be sent to, as somebody said once each.
    reviewer : str
        Name written beside decisions unless said otherwise.
    audit_share : float
        Share of the decisions that the recommended queue asks for on the reserve, to measure.
    blind_share : float
        Share of the items that are reviewed without the machine's opinion.
    retrain_every : int
        Training decisions after which the app trains in the background; 0: only when asked.
    goal_predictions, goal_points : int, float
        Goal of the review: each label with at least so many predictions is known to plus or minus so many
        points.
    precision_target : float
        Precision that badges and promised thresholds are about, in (0, 1).
    audit_design : "uniform" or "labels"
        Whether the audit of pairs draws all alike, or spreads over labels; see `set_audit_design`.
    allowed_folder : str or None
        Folder that files may be imported from by path; None: the one in `LMTX_IMPORT_DIR`. Where that
        is set, it must lie inside: who runs the server says what may be read, a workspace may narrow it.
    journal_url : str
        SQLAlchemy URL of the journal; empty: `journal.db` in the folder.
    """

    model_config = ConfigDict(extra="forbid", validate_assignment=True)

    name: str = ""
    seed: int = 0
    encoder: str = "minilm"
    device: str = "auto"
    reserve_share: float = Field(default=0.2, ge=0.0, lt=1.0)
    held_out_share: float = Field(default=0.1, ge=0.0, lt=1.0)
    top_k: int = Field(default=10, ge=1, le=1000)
    rounds: int = Field(default=4, ge=1, le=100)
    teacher: str = "evidence"
    consented_hosts: tuple[str, ...] = ()
    reviewer: str = ""
    audit_share: float = Field(default=0.3, ge=0.0, le=1.0)
    blind_share: float = Field(default=0.0, ge=0.0, le=1.0)
    retrain_every: int = Field(default=50, ge=0)
    goal_predictions: int = Field(default=20, ge=1)
    goal_points: float = Field(default=10.0, gt=0.0, le=50.0)
    precision_target: float = Field(default=0.8, gt=0.0, lt=1.0)
    audit_design: Literal["uniform", "labels"] = "uniform"
    allowed_folder: str | None = None
    journal_url: str = ""

    @classmethod
    def load(cls, folder: Path) -> Settings:
        """Read `workspace.json` of a workspace folder.

        Raises
        ------
        NotFoundError
            If the folder holds no workspace.
        StorageError
            If the file is there but can't be read as settings.
        """
        path = folder / SETTINGS_FILE
        if not path.is_file():
            raise NotFoundError(
                f"{folder}: no workspace there (expected {SETTINGS_FILE}). "
                f"Make one with `lmtx --workspace {folder} init`, or name another folder."
            )
        try:
            found = cls.model_validate_json(path.read_text(encoding="utf-8"))
        except (ValidationError, OSError, UnicodeDecodeError) as error:
            raise StorageError(f"{path}: not readable as settings: {error}. Repair or remove it.") from error
        if found.encoder.startswith(_INSIDE) and (folder / found.encoder).is_dir():
            found = found.model_copy(update={"encoder": str((folder / found.encoder).resolve())})
        return found

    def save(self, folder: Path) -> None:
        """Write `workspace.json`, whole or not at all."""
        kept, encoder = self, Path(self.encoder)
        if encoder.is_absolute() and encoder.is_relative_to(folder.resolve()):
            inside = _INSIDE + encoder.relative_to(folder.resolve()).as_posix()
            kept = self.model_copy(update={"encoder": inside})
        write_atomically(folder / SETTINGS_FILE, kept.model_dump_json(indent=2) + "\n")

    def changed(self, *, has_documents: bool, **values: Any) -> Settings:
        """Return a copy with other values, checked.

        Parameters
        ----------
        has_documents : bool
            Whether documents were imported: then the settings that decide their roles are fixed.
        **values
            Settings by name.

        Raises
        ------
        InputError
            If a name is unknown, a value out of range, or a fixed setting would change.
        """
        for name in values:
            if name not in type(self).model_fields:
                known = ", ".join(type(self).model_fields)
                raise InputError(f"Setting {name!r} does not exist. Known: {known}.")
            if has_documents and name in _FROZEN and values[name] != getattr(self, name):
                raise InputError(
                    f"Setting {name!r} is {getattr(self, name)!r} and can't become {values[name]!r}: it "
                    "decides which documents are reserved for measuring, and documents are imported already. "
                    "Make a new workspace with the other value."
                )
        outer, folder = os.environ.get("LMTX_IMPORT_DIR"), values.get("allowed_folder")
        if outer and folder and not _inside(folder, outer):
            raise InputError(
                f"Setting 'allowed_folder': {folder!r} is outside {outer!r}, which LMTX_IMPORT_DIR allows. "
                "Name a folder inside it, or leave it empty."
            )
        try:
            return Settings.model_validate({**self.model_dump(), **values})
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(x) for x in first["loc"])
            raise InputError(f"Setting {where!r}: got {first.get('input')!r}; {first['msg']}.") from error

    def import_folder(self) -> str | None:
        """Folder that files may be imported from by path, or None where none was allowed."""
        outer = os.environ.get("LMTX_IMPORT_DIR") or None
        if self.allowed_folder and outer and not _inside(self.allowed_folder, outer):
            return outer
        return self.allowed_folder or outer

    def role_of(self, document_id: str, split: Split) -> Role:
        """Role of a document under these settings; see `role_of`."""
        return role_of(document_id, split, self.seed, self.reserve_share, self.held_out_share)


def role_of(document_id: str, split: Split, seed: int, reserve_share: float, held_out_share: float) -> Role:
    """Decide what a document may be read by, from hashes alone.

    The same document always gets the same role, whatever else is imported, before or after.

    Parameters
    ----------
    document_id : str
        The user's id.
    split : {"train", "test"}
        Split in the file; test documents keep their role.
    seed : int
        Seed of the workspace.
    reserve_share, held_out_share : float
        Fractions in [0, 1): the reserve's share of the train documents, and the held-out set's share
        of what remains of them.

    Returns
    -------
    Role
        "test", "reserve", "held_out" or "train".
    """
    if split == "test":
        return "test"
    if unit_hash(str(seed), "reserve", document_id) < reserve_share:
        return "reserve"
    if unit_hash(str(seed), "held_out", document_id) < held_out_share:
        return "held_out"
    return "train"


def home() -> Path:
    """Folder that holds the workspaces: `LMTX_HOME`, else `workspaces` in the current folder."""
    return Path(os.environ.get("LMTX_HOME") or "workspaces").expanduser()


def remember_workspace(folder: Path) -> None:
    """Note the workspace opened last, for commands that name none; failing to is no error."""
    root = home()
    try:
        root.mkdir(parents=True, exist_ok=True)
        resolved = folder.resolve()
        inside = resolved.is_relative_to(root.resolve())
        noted = resolved.relative_to(root.resolve()) if inside else resolved
        write_atomically(root / _LAST_FILE, json.dumps({"folder": str(noted)}) + "\n")
    except OSError:  # a read-only home must not keep a workspace from opening
        return


def last_workspace() -> Path | None:
    """Folder of the workspace opened last, if it is still there."""
    root = home()
    try:
        noted = json.loads((root / _LAST_FILE).read_text(encoding="utf-8"))["folder"]
    except (OSError, ValueError, KeyError, TypeError):
        noted = None
    if isinstance(noted, str) and (root / noted / SETTINGS_FILE).is_file():
        return root / noted  # joining an absolute path gives that path
    return None


def find_workspace(named: str | os.PathLike[str] | None = None) -> Path:
    """Folder of the workspace to work on.

    Parameters
    ----------
    named : path, optional
        What the user named; else `LMTX_WORKSPACE`, else the one opened last, else the only one at home.

    Raises
    ------
    NotFoundError
        If none of these says which.
    """
    name = named or os.environ.get("LMTX_WORKSPACE")
    if name:
        return Path(name).expanduser()
    last = last_workspace()
    if last is not None:
        return last
    found = sorted(p.parent for p in home().glob(f"*/{SETTINGS_FILE}"))
    if len(found) == 1:
        return found[0]
    which = f"{len(found)} workspaces in {home()}" if found else f"no workspace in {home()}"
    raise NotFoundError(
        f"Which workspace? {which}. Name one with --workspace DIR or LMTX_WORKSPACE; "
        "`lmtx --workspace DIR init` makes one, `lmtx demo` makes the demo."
    )


def _inside(folder: str, outer: str) -> bool:
    return Path(folder).expanduser().resolve().is_relative_to(Path(outer).expanduser().resolve())


def write_atomically(path: Path, text: str) -> None:
    """Write a file, all or nothing, also where two processes write it at once."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)
