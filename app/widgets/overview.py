"""The blocks of the overview."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from app import actions, mode, services, state
from app.widgets import jobs, layout, measured_trend, runs, words
from app.widgets.inert import escape, markdown
from lmtx.workspace import NextStep, Status, Workspace


def first_steps(workspace: Workspace) -> None:
    """Draw what an empty workspace offers."""
    if workspace.read_only:
        layout.empty("This workspace is empty.", "There is nothing to show in it yet.")
        return
    with layout.empty(
        "This workspace is empty.",
        "Upload a corpus and a label set, no annotations needed; "
        "or fill it with the demo, a library catalogue.",
    ):
        layout.go_button("Upload a corpus", "corpus", main=True, key="first_corpus")
        st.button("Load the demo", key="load_demo", on_click=actions.start, args=(workspace, "demo", {}))


def figures(workspace: Workspace, status: Status) -> None:
    """Draw documents, labels, judged and reviewed share, and precision."""
    counts = status.counts
    documents, judged = counts.get("documents", 0), counts.get("judged_pairs", 0)
    reviewed = counts.get("completed", 0)
    layout.figures(
        [
            (
                "Documents",
                words.count(documents),
                _uses(counts),
            ),
            ("Labels", words.count(counts.get("labels", 0)), "that a document can get"),
            (
                "Judged pairs",
                words.count(judged),
                f"{words.count(counts.get('proposed', 0))} proposed as right",
            ),
            (
                "Reviewed documents",
                words.count(reviewed),
                f"{words.many(counts.get('decisions', 0), 'decision')}",
            ),
            ("Precision", *runs.headline(workspace, status)),
        ]
    )


def _uses(counts: Mapping[str, int]) -> str:
    apart = sum(counts.get(role, 0) for role in ("held_out", "reserve", "test"))
    parts = {"to learn from": counts.get("train", 0), "kept apart": apart}
    return ", ".join(f"{words.count(n)} {name}" for name, n in parts.items() if n)


def _measured(status: Status) -> bool:
    """Whether gold or the audit says how good the run in use is."""
    if status.run_id is None or status.has_gold:
        return bool(status.run_id)
    workspace = services.current()
    found = workspace.precision_report() if workspace else None
    return found is not None and found.n_pairs >= runs.FEWEST


def path(status: Status) -> None:
    """Draw the way from files to a measured tagger, with where we are."""
    counts = status.counts
    steps = [
        ("Import", bool(counts.get("documents") and counts.get("labels")), "documents and labels"),
        ("Teach", bool(counts.get("judged_pairs")), "a teacher judges pairs"),
        ("Review", bool(counts.get("completed")), "people correct it"),
        ("Train", bool(status.run_id), "a student learns"),
        ("Measure", _measured(status), "how often is it right?"),
    ]
    here = {"corpus": 0, "labels": 0, "teacher": 1, "review": 2, "train": 3, "precision": 4}.get(
        status.next_step.page, -1
    )
    cells = []
    for number, (name, done, detail) in enumerate(steps):
        kind = "here" if number == here else "done" if done else ""
        sign = "✓ " if done else ""
        cells.append(f'<div class="lx-step {kind}">{sign}{name}<span class="lx-note">{detail}</span></div>')
    st.html(f'<div class="lx-path">{"".join(cells)}</div>')


def next_step(workspace: Workspace, status: Status) -> None:
    """Draw the next best step with its reason and what it is worth, and two further ones as lines."""
    if workspace.read_only:
        return
    first, *others = workspace.next_steps() or [status.next_step]
    with st.container(border=True, horizontal=True, vertical_alignment="center", key="lx_next"):
        st.html(
            f'<div><div class="lx-note">Next best step</div><div>{escape(first.action)}</div>'
            f'<div class="lx-note">{escape(first.why)}</div>{_gain(first)}</div>'
        )
        _step_button(workspace, first, "next_step", main=True)
    further = [step for step in others if step.verb or mode.offers(step.page)][:2]
    for number, step in enumerate(further, 1):
        with st.container(horizontal=True, vertical_alignment="center", key=f"lx_then_{number}"):
            why = f'<span class="lx-note">{escape(step.why)}</span>'
            st.html(f"<div>{escape(step.action)} {why}{_gain(step)}</div>")
            _step_button(workspace, step, f"then_{number}", main=False)


def _gain(step: NextStep) -> str:
    if not step.gain:
        return ""
    return f'<div class="lx-note"><span class="lx-accepted">↗</span> {escape(step.gain)}</div>'


def _step_button(workspace: Workspace, step: NextStep, key: str, *, main: bool) -> None:
    """Draw the button of a step: it opens its screen, or starts its job."""
    if step.verb:
        name = jobs.NAMES.get(step.verb, step.verb)
        st.button(name, key=key, on_click=actions.start, args=(workspace, step.verb, {}))
        return
    audit = dict(step.params).get("queue") == "audit"
    name = "Audit tags" if audit else verb(step.page)
    if st.button(markdown(name), key=key, type="primary" if main else "secondary"):
        state.go(step.page, **dict(step.params))


def warnings(status: Status) -> None:
    """Draw what the workspace warns of."""
    found = [*([status.language_warning] if status.language_warning else []), *status.warnings]
    for text in found:
        st.html(f'<p class="lx-note"><span class="lx-unsure">Note.</span> {escape(text)}</p>')
    if status.language_warning and mode.offers("settings"):
        layout.go_button("Choose another encoder", "settings", key="to_encoder")
    if status.teacher_used and status.teacher.startswith("simulated"):
        st.html(
            '<p class="lx-note"><span class="lx-unsure">Note.</span> The teacher is a simulation that '
            "answers from known labels, with errors: it shows what a teacher is worth, and is none.</p>"
        )
    elif status.teacher_used and not status.is_llm:
        with st.container(horizontal=True, vertical_alignment="center", gap="medium", key="lx_no_llm"):
            st.html(
                '<p class="lx-note"><span class="lx-unsure">Note.</span> No language model has seen these '
                "documents: the teacher was likeness of words and meaning alone. Expect many of its tags to "
                "be wrong; reviewing some documents helps most.</p>"
            )
            layout.go_button("What to expect", "teacher", key="to_expect")


def last_runs(workspace: Workspace, status: Status) -> None:
    """Draw the last trainings as a small line."""
    found = workspace.runs()
    if found:
        layout.section("Last trainings", truth="gold" if status.has_gold else "reviewed")
        if status.has_gold:
            runs.course(workspace, status, found, height=230)
        else:
            measured_trend.plot(workspace, height=230)


def verb(page: str) -> str:
    """Words of the button that opens a screen."""
    return {
        "corpus": "Upload a corpus",
        "labels": "Upload labels",
        "teacher": "Ask the teacher",
        "review": "Review documents",
        "train": "Train",
        "precision": "See the precision",
        "try_it": "Try it",
        "explore": "Look",
        "export": "Export",
        "present": "Present",
    }.get(page, "Open")
