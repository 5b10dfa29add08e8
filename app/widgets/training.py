"""Settings of a training, its start, and the table of runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from app import actions, services
from app.widgets import downloads, layout, measured_trend, runs, table, words
from app.widgets.inert import escape
from lmtx.types import Run
from lmtx.workspace import Status, Workspace

METRICS = ("P@1", "P@5", "R@10")
USUAL = "adapter"
STUDENTS = {
    USUAL: (
        "Adapter",
        "The usual one: a small layer on the workspace's encoder learns from verdicts and decisions.",
    ),
    "finetune": (
        "Fine-tuned",
        "The whole encoder learns from verdicts and decisions, and an adapter on top of it.",
    ),
    "official": (
        "LMTX as published",
        "The whole encoder learns as the paper's code has it (Zhang et al. 2025), to compare with.",
    ),
    "maclr": (
        "MACLR",
        "Learns from titles, texts and names of labels, without any verdict (Xiong et al. 2022), to compare "
        "with; never put to use by itself.",
    ),
    "rts": (
        "RTS",
        "Learns from random parts of the texts and names of labels, without any verdict (Zhang et al. 2022), "
        "to compare with; never put to use by itself.",
    ),
    "icxml": (
        "ICXML",
        "Trains nothing: a language model writes labels for each document, which are mapped to yours and put "
        "in order by it (Zhu and Zamani 2024). Some four answers a document, to compare with.",
    ),
}
"""What can be trained, or asked to label in its stead: name, and what it is."""
TAKES = {
    USUAL: "Takes seconds.",
    "finetune": "Takes minutes; more with more documents. A graphics card is used where there is one.",
    "official": "Takes minutes; more with more documents. A graphics card is used where there is one.",
    "maclr": "Takes minutes.",
    "rts": "Takes minutes.",
    "icxml": "Takes as long as the teacher needs to write.",
}
UNJUDGED = ("maclr", "rts")
"""Students that read no verdict."""
EPOCHS = {USUAL: 5, "finetune": 2}
"""Usual passes of the students that can be told how many."""
KINDS = {"cycle": "teach and train", "train": "train", "icxml": "ICXML"}


def facts(workspace: Workspace, status: Status) -> None:
    """Draw what there is to learn from."""
    counts = status.counts
    layout.figures(
        [
            ("Verdicts", words.count(counts.get("judged_pairs", 0)), "by the teacher"),
            ("Decisions", words.count(counts.get("decisions", 0)), "by people; they outweigh the teacher"),
            ("Reviewed documents", words.count(counts.get("completed", 0)), ""),
            ("Precision", *runs.headline(workspace, status)),
        ]
    )


def without_verdicts(workspace: Workspace) -> None:
    """Draw what can be trained before anything is judged: the students that read texts and names only."""
    layout.section("Or train without any verdict", "to compare with; weaker than what learns from judgments")
    kind = _student(workspace, UNJUDGED)
    start(workspace, {"student": kind}, main=False)


def settings(workspace: Workspace) -> dict[str, Any]:
    """Draw which student is trained next, and its settings, folded away."""
    kind = _student(workspace)
    if kind == "icxml":
        return _icxml(workspace)
    usual: dict[str, Any] = {"seed": 0}
    if kind in EPOCHS:
        usual = {"epochs": EPOCHS[kind], "decision_weight": 3.0, "seed": 0}
    with st.expander("Settings of the next training", icon=":material/tune:"), st.container(horizontal=True):
        chosen: dict[str, Any] = {}
        if kind in EPOCHS:
            chosen["epochs"] = int(
                st.number_input(
                    "Passes over the pairs", 1, 50, EPOCHS[kind], key=f"train_epochs_{kind}", width=180
                )
            )
            chosen["decision_weight"] = float(
                st.number_input(
                    "Weight of a decision",
                    1.0,
                    20.0,
                    3.0,
                    step=0.5,
                    key="train_weight",
                    width=180,
                    help="How much more a person's word counts than a teacher's.",
                )
            )
        chosen["seed"] = int(st.number_input("Seed", 0, 10_000, 0, key="train_seed", width=120))
    changed = {name: value for name, value in chosen.items() if value != usual[name]}
    return changed if kind == USUAL else {"student": kind, **changed}


def _icxml(workspace: Workspace) -> dict[str, Any]:
    """Draw what ICXML is told: who writes, about how many documents, and from which demonstrations."""
    with st.container(horizontal=True):
        n_docs = st.number_input("Test documents", 1, 1_000, 20, key="train_icxml_docs", width=160)
        variant = st.segmented_control(
            "Demonstrations",
            ["content", "label"],
            default="content",
            required=True,
            format_func={"content": "of near documents", "label": "of near labels"}.get,
            key="train_icxml_variant",
        )
    if _writes(workspace):
        layout.note(f"Asked is the teacher last used: {workspace.settings.teacher}.")
    else:
        layout.note(
            f"The teacher last used, {workspace.settings.teacher}, writes no text. Connect a language model "
            "on the Teacher page first."
        )
    return {"student": "icxml", "limit_docs": int(n_docs), "variant": str(variant)}


def _writes(workspace: Workspace) -> bool:
    """Whether the teacher last used is a language model, which can write."""
    return workspace.settings.teacher.startswith(("transformers:", "openai:"))


def _student(workspace: Workspace, offered: Sequence[str] = tuple(STUDENTS)) -> str:
    """Draw the choice of the student, what it is and what it takes."""
    kind = st.segmented_control(
        "Student",
        offered,
        default=offered[0],
        required=True,
        format_func=lambda kind: STUDENTS[kind][0],
        key="train_student" if len(offered) == len(STUDENTS) else "train_unjudged",
        persist_state="session",
    )
    chosen = str(kind)
    layout.note(f"{STUDENTS[chosen][1]} {_takes(workspace, chosen)}")
    return chosen


def _takes(workspace: Workspace, kind: str) -> str:
    """Say how long a training takes: as the last one of its kind did, else roughly."""
    last = next((run for run in workspace.runs() if run.kind != "cycle" and _kind(run) == kind), None)
    seconds = last.metrics.get("cpu_s") if last else None
    if isinstance(seconds, int | float) and seconds > 0:
        return f"The last one took {words.duration(max(1.0, float(seconds)))} of processor time."
    return TAKES[kind]


def _kind(run: Run) -> str:
    """Return which student a run trained."""
    usual = USUAL if run.kind in ("train", "cycle") else run.kind
    return str(run.config.get("student_kind") or usual)


def start(workspace: Workspace, params: dict[str, Any], *, main: bool = True) -> None:
    """Draw the button that starts a training."""
    services.warm_pool()
    busy = any(job.verb in ("train", "cycle", "demo", "icxml") for job in services.active_jobs(workspace))
    asks = params.get("student") == "icxml"
    verb = "icxml" if asks else "train"
    if asks:
        params = {name: value for name, value in params.items() if name != "student"}
    st.button(
        "Ask now" if asks else "Train now",
        type="primary" if main else "secondary",
        key="start_train",
        disabled=busy or (asks and not _writes(workspace)),
        icon=":material/model_training:",
        on_click=actions.start,
        args=(workspace, verb, params),
    )


def course(workspace: Workspace, status: Status) -> None:
    """Draw the course over the trainings: by gold where there is any, else by the audit."""
    found = workspace.runs()
    if found:
        layout.section("Trainings over time", truth="gold" if status.has_gold else "reviewed")
        if status.has_gold:
            runs.course(workspace, status, found)
        else:
            measured_trend.plot(workspace, height=280)


def runs_table(workspace: Workspace, status: Status) -> None:
    """Draw the runs; choosing one offers to use it."""
    found = workspace.runs()
    if not found:
        return
    layout.section("Runs", "choose one to use it, or to go back to it")
    st.html(f'<span class="lx-runs" data-runs="{len(found)}"></span>')
    if not found[0].promoted and found[0].id != status.run_id:
        st.html(
            '<p class="lx-note"><span class="lx-unsure">Note.</span> The newest run is not in use. '
            f"{escape(runs.why(found[0]))}</p>"
        )
    known = runs.rankings(workspace, status, found)
    chosen = table.table(
        [_row(number, run, known.get(run.id, {})) for number, run in runs.numbered(found)],
        [run.id for run in found],
        key="runs_table",
        columns={
            **{name: table.share(name) for name in METRICS},
            "Why": st.column_config.TextColumn(width="large"),
        },
    )
    downloads.csv(lambda: _all_runs(found, known), "trainings", key="runs_csv")
    run = next((r for r in found if r.id == chosen), None)
    if run is None:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        if run.promoted:
            layout.note("This run is in use.")
        elif not workspace.reads_with(run):
            layout.note("This run reads with another encoder. Switch to that one below to train its like.")
        elif run.kind == "icxml":
            layout.note("This run holds what a language model said of some documents, and can't be used.")
        else:
            st.button(
                "Use this run",
                type="primary",
                key="promote",
                on_click=actions.promote,
                args=(workspace, run.id),
            )
    with st.expander("Configuration and metrics"):
        st.json({"config": run.config, "metrics": run.metrics, "fingerprint": run.fingerprint}, expanded=1)


def _all_runs(found: Sequence[Run], known: Mapping[str, Mapping[str, float]]) -> pd.DataFrame:
    """Make the table of runs for a file, with every metric there is."""
    return pd.DataFrame(
        [
            {
                "run": number,
                "run_id": run.id,
                "created": run.created.isoformat(),
                "kind": run.kind,
                "in_use": run.promoted,
                "why": runs.why(run),
                **known.get(run.id, {}),
            }
            for number, run in runs.numbered(found)
        ]
    )


def _called(run: Run) -> str:
    """Name what a run did, and its student where it is not the usual one."""
    kind = _kind(run)
    student = STUDENTS[kind][0] if kind in STUDENTS and kind != USUAL else ""
    done = KINDS.get(run.kind, "" if student else run.kind)
    return ", ".join(x for x in (done, student) if x)


def _row(number: int, run: Run, metrics: Mapping[str, float]) -> dict[str, Any]:
    return {
        "Run": number,
        "In use": "✓" if run.promoted else "",
        "When": words.ago(run.created),
        "Kind": _called(run),
        **{name: table.rounded(metrics.get(name)) for name in METRICS},
        "Why": runs.why(run),
    }
