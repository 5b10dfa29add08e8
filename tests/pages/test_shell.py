"""The frame around the screens: workspaces, jobs, links, and what a session remembers."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from streamlit.testing.v1 import AppTest

from app import reviewing_document, services
from app.widgets import jobs, words
from lmtx.jobs import Job
from lmtx.review.models import Candidate, ReviewItem
from lmtx.types import Document
from lmtx.workspace import Workspace

Open = Callable[..., AppTest]


def test_a_second_workspace_is_made_and_switched_to(empty: Path, open_page: Open) -> None:
    at = open_page("settings")
    at.text_input(key="new_name_settings").set_value("Second: one/two")
    next(b for b in at.button if b.label == "Create").click()
    at.run()
    assert not at.exception
    assert (empty / "second-one-two" / "workspace.json").is_file()
    assert "Second: one/two" in at.sidebar.selectbox[0].options
    at.sidebar.selectbox[0].select_index(0).run()
    assert not at.exception
    assert at.session_state["lmtx.folder"].endswith("empty")


def test_two_workspaces_of_one_name_are_told_apart(empty: Path, open_page: Open) -> None:
    with Workspace.open(empty / "empty", own_index=False) as workspace:
        name = workspace.settings.name or "empty"
    Workspace.create(empty / "other", name).close()
    at = open_page("overview")
    picker = at.sidebar.selectbox[0]
    assert set(picker.options) == {f"{name} (empty)", f"{name} (other)"}
    picker.set_value(str((empty / "other").resolve())).run()
    assert not at.exception
    assert at.session_state["lmtx.folder"].endswith("other")


def test_settings_are_saved_and_a_wrong_one_is_refused(empty: Path, open_page: Open) -> None:
    at = open_page("settings")
    at.text_input(key="settings_reviewer").set_value("Ada <b>L</b>")
    next(b for b in at.button if b.label == "Save").click()
    at.run()
    assert not at.exception
    with Workspace.open(empty / "empty", own_index=False) as workspace:
        assert workspace.settings.reviewer == "Ada <b>L</b>"
    assert "Ada &lt;b&gt;L&lt;/b&gt;" in "".join(h.body for h in at.sidebar.get("html"))


def test_uploads_keep_to_their_folder(empty: Path) -> None:
    with Workspace.open(empty / "empty", own_index=False) as workspace:
        path = services.uploaded(workspace, "../../etc/pass wd<x>.csv", b"a")
        assert path.parent.parent == workspace.folder / "uploads"
        other = services.uploaded(workspace, "../../etc/pass wd<x>.csv", b"b")
        assert (path.read_bytes(), other.read_bytes()) == (b"a", b"b")  # a job may be reading the first
        assert path.name == "pass_wd_x_.csv"
        assert services.uploaded(workspace, "..", b"a").name == "upload"


def test_a_job_says_how_far_it_is() -> None:
    job = Job("1", "teach", {}, "running", done=120, total=480, rate=4.0)
    assert jobs.summary(job) == "120 of 480 · 4 a second · 2 min left"
    assert jobs.summary(Job("1", "teach", {}, "interrupted")) == "interrupted"
    assert jobs.summary(Job("1", "teach", {}, "running")) == "starting"


def test_numbers_read_well() -> None:
    assert words.count(12345) == "12\u202f345"
    assert words.percent(0.8312, (0.794, 0.863)) == "83.1\u202f% [79.4, 86.3]"
    assert words.percent(None) == words.percent(float("nan")) == "–"
    assert [words.duration(s) for s in (3, 120, 7800)] == ["3 s", "2 min", "2 h 10 min"]
    assert words.ago(datetime.now(UTC) - timedelta(minutes=5)) == "5 min ago"
    assert words.many(1, "label") == "1 label"
    assert words.many(2, "label") == "2 labels"


def test_number_keys_reach_what_the_teacher_and_people_said() -> None:
    def candidate(n: int, verdict: str | None, decision: Literal["accept", "reject"] | None) -> Candidate:
        return Candidate(f"L{n}", f"Label {n}", (), "", None, verdict, None, None, None, decision, "", [])

    many = [candidate(n, "yes" if n == 11 else "no", "accept" if n == 12 else None) for n in range(1, 13)]
    item = ReviewItem(Document("d", "t", "x"), many, [], False, "default", "", None)
    shown = [c.label_id for c in reviewing_document.shown(item)]
    assert shown == [f"L{n}" for n in (1, 2, 3, 4, 5, 6, 7, 11, 12)]


def test_a_failed_job_says_why_and_can_go_on(full: Path, open_page: Open) -> None:
    with Workspace.open(full / "library", own_index=False) as workspace:
        job_id = workspace.start_job("teach", {"teacher": "nobody <b>knows</b>"})
        for _ in range(300):
            if not workspace.job(job_id).active:
                break
            time.sleep(0.2)
    at = open_page("teacher")
    assert not at.exception
    shown = "".join(h.body for h in at.main.get("html"))
    assert 'role="alert"' in shown
    assert "nobody &lt;b&gt;knows&lt;/b&gt;" in shown
    assert at.button(key=f"resume_{job_id}").label == "Go on"
