from __future__ import annotations

from pathlib import Path

import pytest

from lmtx.config import Settings, find_workspace, last_workspace, remember_workspace, role_of
from lmtx.errors import InputError, NotFoundError, StorageError


def test_roles_depend_on_the_document_alone() -> None:
    ids = [f"d{i}" for i in range(5000)]
    roles = [role_of(i, "train", 0, 0.2, 0.1) for i in ids]
    assert roles == [role_of(i, "train", 0, 0.2, 0.1) for i in ids]
    assert roles.count("reserve") / 5000 == pytest.approx(0.2, abs=0.02)
    assert roles.count("held_out") / 5000 == pytest.approx(0.08, abs=0.015)
    assert set(roles) == {"train", "held_out", "reserve"}
    assert role_of("d1", "test", 0, 0.2, 0.1) == "test"
    assert roles != [role_of(i, "train", 1, 0.2, 0.1) for i in ids]


def test_settings_survive_the_file(tmp_path: Path) -> None:
    settings = Settings(name="Büch <er>", seed=3, reviewer="Ada")
    settings.save(tmp_path)
    assert Settings.load(tmp_path) == settings
    assert [p.name for p in tmp_path.iterdir()] == ["workspace.json"]


def test_a_folder_without_workspace_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="init"):
        Settings.load(tmp_path)


def test_a_damaged_settings_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "workspace.json").write_text('{"seed": "many"}')
    with pytest.raises(StorageError, match=r"workspace\.json"):
        Settings.load(tmp_path)


def test_changing_settings_checks_name_range_and_time() -> None:
    settings = Settings()
    assert settings.changed(has_documents=True, reviewer="Ada").reviewer == "Ada"
    assert settings.changed(has_documents=False, seed=7).seed == 7
    with pytest.raises(InputError, match="reserved for measuring"):
        settings.changed(has_documents=True, seed=7)
    with pytest.raises(InputError, match="does not exist"):
        settings.changed(has_documents=False, sed=7)
    with pytest.raises(InputError, match="top_k"):
        settings.changed(has_documents=False, top_k=0)


def test_which_workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    monkeypatch.setenv("LMTX_HOME", str(home))
    monkeypatch.delenv("LMTX_WORKSPACE", raising=False)
    with pytest.raises(NotFoundError, match="no workspace"):
        find_workspace()
    for name in ("a", "b"):
        (home / name).mkdir(parents=True)
        Settings(name=name).save(home / name)
    with pytest.raises(NotFoundError, match="2 workspaces"):
        find_workspace()
    remember_workspace(home / "b")
    assert last_workspace() == home / "b"
    assert find_workspace() == home / "b"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    Settings().save(elsewhere)
    remember_workspace(elsewhere)
    assert find_workspace() == elsewhere
    monkeypatch.setenv("LMTX_WORKSPACE", str(home / "a"))
    assert find_workspace() == home / "a"
    assert find_workspace(elsewhere) == elsewhere


def test_the_folder_for_imports(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LMTX_IMPORT_DIR", "/data")
    assert Settings().import_folder() == "/data"
    assert Settings(allowed_folder="/data/mine").import_folder() == "/data/mine"
    assert Settings(allowed_folder="/data/../etc").import_folder() == "/data"
    with pytest.raises(InputError, match="LMTX_IMPORT_DIR"):
        Settings().changed(has_documents=False, allowed_folder="/")
    monkeypatch.delenv("LMTX_IMPORT_DIR")
    assert Settings().import_folder() is None
    assert Settings().changed(has_documents=True, allowed_folder="/mine").import_folder() == "/mine"
