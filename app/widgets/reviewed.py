"""How often tags are right by what people answered to the audit alone."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from app.widgets import (
    errors,
    layout,
    measured_calibration,
    measured_comparison,
    measured_funnel,
    measured_trend,
    reviewed_label,
    reviewed_labels,
    reviewed_overview,
    reviewed_plan,
    words,
)
from app.widgets import reviewed_frame as frame
from app.widgets.reviewed_frame import Asked
from lmtx.workspace import Workspace
from lmtx.workspace.precision_models import PrecisionReport

METHOD = Path(__file__).resolve().parents[2] / "docs" / "precision.md"


def panel(workspace: Workspace) -> None:
    """Draw the view that the address names."""
    asked = Asked.of_address()
    if asked.view == "method":
        _method()
        return
    frame.views(asked)
    if asked.view == "errors":
        measured_funnel.panel(workspace)
    elif asked.view == "runs":
        measured_comparison.panel(workspace)
        measured_trend.panel(workspace)
    elif asked.view == "probabilities":
        measured_calibration.panel(workspace)
    elif asked.view == "plan":
        report = _report(workspace, Asked("plan", "tagger", frame.USUAL, None))
        if report is not None:
            reviewed_plan.draw(workspace, report)
    else:
        _figures(workspace, asked)


def _figures(workspace: Workspace, asked: Asked) -> None:
    frame.choices(workspace, asked)
    with errors.shown():
        report = _report(workspace, asked)
        if report is None:
            return
        if asked.view == "labels" and asked.label_id:
            reviewed_label.draw(workspace, asked, report, asked.label_id)
        elif not report.n_documents and not report.n_pairs:
            _nothing_audited(report)
        elif asked.view == "labels":
            reviewed_labels.draw(report)
        else:
            reviewed_overview.draw(workspace, asked, report)


def _report(workspace: Workspace, asked: Asked) -> PrecisionReport | None:
    """Return what is measured; None, after saying why, where nothing is."""
    with st.spinner("Measuring …"):
        report = workspace.precision_report(asked.system, asked.cut)
    if report is not None:
        return report
    if asked.system != "tagger":
        with layout.empty(
            "This run has not tagged the reserve.",
            "Trainings of earlier versions did not, so what the audit says can't be held against them.",
        ):
            st.button(
                "The tagger in use", key="reviewed_usual", on_click=frame.show, args=(asked.view,),
                kwargs={"system": None},
            )  # fmt: skip
        return None
    with layout.empty(
        "Nothing to measure yet.",
        "There is no tagger in use that has tagged the reserve. Train once, and audit some tags.",
    ):
        layout.go_button("Train", "train", main=True, key="reviewed_train")
    return None


def _nothing_audited(report: PrecisionReport) -> None:
    with layout.empty(
        "Nothing of the audit has been answered yet.",
        f"{words.many(report.n_reserve, 'document')} are reserved to measure, and nothing learns from them. "
        "Say of tags drawn at random whether they are right, a key each: about 50 give a first figure, 200 a "
        "firm one. Or complete whole documents, which tells what is missing too. The recommended queue "
        "brings some in between.",
    ):
        frame.audit_buttons(main=True, key="empty")


def _method() -> None:
    st.button(
        "Back to the figures",
        key="method_back",
        icon=":material/arrow_back:",
        on_click=frame.show,
        args=("overview",),
    )
    if not METHOD.is_file():
        layout.note(
            "The page on the method is in the documentation, docs/precision.md; it is not part of this copy."
        )
        return
    with st.container(key="lx_method"):
        st.markdown(METHOD.read_text(encoding="utf-8"))


def of_label(workspace: Workspace, label_id: str) -> None:
    """Draw what the audit says of one label, on its page; nothing where no run has tagged the reserve."""
    asked = Asked("labels", "tagger", frame.USUAL, label_id)
    report = workspace.precision_report(asked.system, asked.cut)
    if report is None:
        return
    frame.section("What the audit says", "of the tagger in use, 5 tags a document")
    row = reviewed_label.row_of(report, label_id)
    reviewed_label.figures(workspace, report, row)
    reviewed_label.body(workspace, asked, report, row, label_id)
