"""The export screen: only tags that the audit makes a promise of, or why there are none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from streamlit.testing.v1 import AppTest

from lmtx.workspace import Workspace

OpenPage = Callable[..., AppTest]


def complete(workspace: Workspace, n: int, policy: str) -> None:
    """Let a person who knows gold complete the next documents of a queue."""
    gold = workspace.journal.gold("train")
    for item in workspace.next_documents(policy, "Ada", n):  # type: ignore[arg-type]
        right = set(gold[item.document.id])
        rest = {c.label_id for c in item.candidates} - right
        workspace.complete(item.document.id, "Ada", right, rest, item.policy, item.inclusion_probability)


def notes(app: AppTest) -> str:
    return " ".join(x.proto.body for x in app.get("html"))


def test_without_a_promise_the_choice_is_there_and_says_why_it_can_not_be_made(
    full: Path, open_page: OpenPage
) -> None:
    app = open_page("export")
    toggle = app.toggle(key="export_promised")
    assert toggle.disabled
    assert not toggle.value
    assert "no threshold can be promised" in notes(app)
    app.radio(key="export_what").set_value("pairs").run()
    assert not app.toggle


def test_with_a_promise_it_says_what_is_promised_and_the_job_keeps_it(
    full: Path, open_page: OpenPage
) -> None:
    with Workspace.open(full / "library") as workspace:
        workspace.update_settings(audit_share=0.0)
        complete(workspace, 12, "default")
        workspace.promote(workspace.train().id)
        complete(workspace, 12, "audit")
        workspace.update_settings(precision_target=0.1)
        report = workspace.precision_report()
        assert report is not None
        assert report.promise is not None
        assert report.promise.threshold is not None
        kept = f"{100 * report.promise.kept:.0f}"
    app = open_page("export")
    toggle = app.toggle(key="export_promised")
    assert not toggle.disabled
    assert f"At least 10 % right, by the audit of the tagger in use; keeps {kept} % of its tags." in notes(
        app
    )
    toggle.set_value(True).run()
    app.button(key="start_export").click().run()
    with Workspace.open(full / "library") as workspace:
        job = workspace.jobs(1)[0]
        assert (job.verb, job.params["threshold"]) == ("export", "promised")
        workspace.cancel_job(job.id)
