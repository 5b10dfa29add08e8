"""The encoder in use, others to use in its stead, and how they compare; folded away until somebody asks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from app import actions, services
from app.widgets import encoder_facts, encoders_made, errors, jobs, layout, table, words
from lmtx.workspace import Workspace
from lmtx.workspace.encoder_models import EncoderEntry, EncoderPreview
from lmtx.workspace.switching import short_name

OPEN = "train_encoder"
"""Key of the section: whether it is open."""
OTHER = "Another one, by name or folder"
VIEWS = {"use": "Use another", "make": "Make one", "tried": "Tried before"}
VERBS = ("switch_encoder", "compare_encoders", "pretrain")


def section(workspace: Workspace) -> None:
    """Draw the section on encoders; while it is folded nothing is looked up."""
    # A name in its title would fold it at each switch.
    box = st.expander("Encoder", icon=":material/text_fields:", key=OPEN, on_change="rerun")
    if not box.open:
        return
    with box, errors.shown():
        layout.note(
            "The encoder turns texts and labels into numbers that say how alike they are in meaning. The "
            "usual one reads English and does well on most collections: you can leave this as it is."
        )
        encoder = workspace.settings.encoder
        encoder_facts.measured(workspace, encoder, lambda found: _in_use(encoder, found))
        view = st.segmented_control(
            "Encoders",
            list(VIEWS),
            default="use",
            required=True,
            format_func=lambda name: VIEWS[str(name)],
            key="encoder_view",
            label_visibility="collapsed",
            persist_state="session",
        )
        if view == "make":
            encoders_made.form(workspace)
        elif view == "tried":
            encoders_made.zoo(workspace)
        else:
            _others(workspace)


def _in_use(encoder: str, found: encoder_facts.Found) -> None:
    """Draw the figures of the encoder in use."""
    encoder_facts.figures(short_name(encoder), "in use", found)
    if isinstance(found, str):
        st.html('<p class="lx-note">This encoder can’t be loaded now:</p>')
        layout.note(found)


def _others(workspace: Workspace) -> None:
    """Draw the choice of another encoder, what using it takes, and the comparison."""
    entries = {e.encoder: e for e in workspace.encoders() if not e.in_use}
    chosen = st.selectbox(
        "Use in its stead",
        [*entries, OTHER],
        format_func=lambda e: short_name(e) if e in entries else e,
        key="encoder_other",
    )
    encoder = str(chosen)
    if chosen == OTHER:
        encoder = st.text_input(
            "Name or folder",
            key="encoder_named",
            placeholder="sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2",
            help="Any sentence-transformers model: its name on the hub, or a folder on this machine. The "
            "packaged one is called “minilm”.",
        ).strip()
    busy = any(job.verb in VERBS for job in services.active_jobs(workspace))
    with errors.shown():
        if encoder in entries and workspace.switch_preview(encoder).n_missing:
            encoder_facts.measured(workspace, encoder, lambda found: _takes(workspace, encoder, found))
        elif encoder:  # nothing to encode; or a model of the hub, which isn't fetched to know how quick it is
            _takes(workspace, encoder, None)
        _buttons(workspace, encoder, entries.get(encoder), busy)
    jobs.panel(workspace, ["switch_encoder", "compare_encoders"], history=1)
    _switched(workspace)
    _compared(workspace)


def _takes(workspace: Workspace, encoder: str, found: encoder_facts.Found) -> None:
    """Say what using an encoder does, to how many texts, and how long it takes about."""
    ahead = workspace.switch_preview(encoder)
    todo = "All texts were encoded with it before, so this is quick."
    if ahead.n_missing:
        todo = f"{words.many(ahead.n_missing, 'text')} will be encoded"
        rate = found.documents_per_second if isinstance(found, EncoderPreview) else None
        todo += f", in about {words.duration(ahead.n_missing / rate)}." if rate else "."
    then = " Then a student is trained with it." if ahead.trains else ""
    layout.note(
        f"{todo}{then} Until all is ready the encoder in use goes on answering. Verdicts, decisions and "
        "reviewed documents stay; tags and scores change."
    )


def _buttons(workspace: Workspace, encoder: str, entry: EncoderEntry | None, busy: bool) -> None:
    in_use = workspace.settings.encoder
    with st.container(horizontal=True):
        st.button(
            "Use this encoder",
            type="primary",
            key="encoder_switch",
            disabled=busy or not encoder,
            on_click=actions.start,
            args=(workspace, "switch_encoder", {"encoder": encoder}),
        )
        st.button(
            "Compare the two",
            key="encoder_compare",
            disabled=busy or not encoder,
            help="Ranks the labels of up to 1,000 documents with each, without any learning.",
            on_click=actions.start,
            args=(workspace, "compare_encoders", {"encoders": list(dict.fromkeys([in_use, encoder]))}),
        )
        if entry is not None and entry.pretrained:
            with st.popover("Delete", type="tertiary"):
                layout.note("The model is deleted from the workspace. What it was made from stays.")
                st.button(
                    "Delete for good",
                    key="encoder_forget",
                    disabled=busy,
                    on_click=actions.forget_encoder,
                    args=(workspace, entry.name),
                )


def _switched(workspace: Workspace) -> None:
    """Say what the last switch came to."""
    last = next((job for job in workspace.jobs() if job.verb == "switch_encoder"), None)
    if last is None or last.state != "done" or not last.result:
        return
    told = last.result
    if told.get("encoder") != workspace.settings.encoder:
        return
    said = str(told.get("message") or "")
    before, now = told.get("quality_before"), told.get("quality")
    if isinstance(before, float) and isinstance(now, float):
        said = (
            f"On the same documents: quality {words.percent(before)} before, {words.percent(now)} now. {said}"
        )
    layout.note(f"{short_name(workspace.settings.encoder)} is in use. {said}".strip())


def _compared(workspace: Workspace) -> None:
    """Draw the last comparison."""
    last = next((j for j in workspace.jobs() if j.verb == "compare_encoders" and j.state == "done"), None)
    result: Mapping[str, Any] = (last.result or {}) if last else {}
    rows = result.get("encoders") or []
    if not rows:
        return
    n = words.many(int(result["n_docs"]), "document")
    truth = "gold" if result["truth"] == "gold" else "teacher"
    layout.section("Without any learning", f"on {n}, {words.ago(last.ended if last else None)}", truth=truth)
    if truth == "teacher":
        layout.note("Held-out documents: labels that the teacher was not asked about count as wrong.")
    else:
        layout.note(
            "Test documents: an encoder that is chosen by this looks a little better there than it is."
        )
    rates = any(row.get("documents_per_second") for row in rows)
    table.table(
        [
            {
                "Encoder": short_name(str(row["encoder"])),
                **{m: table.rounded(row[m]) for m in ("P@1", "P@5", "R@10")},
                "± P@1": f"{196 * float(row['P@1_se']):.1f}",
                **({"Documents a second": row.get("documents_per_second")} if rates else {}),
            }
            for row in rows
        ],
        [str(row["encoder"]) for row in rows],
        key="encoder_compared",
        columns={
            **{m: table.share(m) for m in ("P@1", "P@5", "R@10")},
            "± P@1": st.column_config.TextColumn(help="Points, 95 % interval."),
            "Documents a second": table.number("Documents a second"),
        },
    )
