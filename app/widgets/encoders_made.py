"""Making an encoder: its parts, what it would be, pre-training on this corpus, and what was tried before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from app import actions, charts_encoders, services
from app.widgets import downloads, encoder_facts, errors, jobs, layout, table, words
from lmtx.workspace import Workspace
from lmtx.workspace.encoder_models import ZooEntry

CONTINUED = "pretrained"
USUAL = {"mlm": 1.0, "inverse_cloze": 1.0}
_WORDS = {
    "pretrained": "the one in use, trained further",
    "none": "none, words alone",
    "lstm": "LSTM",
    "gru": "GRU",
    "bilstm": "bidirectional LSTM",
    "bigru": "bidirectional GRU",
    "gated_cnn": "gated CNN",
    "mlm": "masked words (MLM)",
    "clm": "next word (CLM)",
    "simcse": "SimCSE",
    "tsdae": "TSDAE",
    "infonce": "InfoNCE",
    "bce": "yes or no (BCE)",
    "title_content": "title and text",
}
"""Names of parts, where people write them otherwise."""
_SIZES = {
    "width": ("Length of a token", 16, 1024, 256),
    "hidden": ("Length inside", 16, 1024, 256),
    "layers": ("Layers", 1, 24, 2),
}


def form(workspace: Workspace) -> None:
    """Draw the parts to choose from, what they would come to, and the start of the pre-training."""
    parts = workspace.encoder_parts()
    layout.note(
        "Choose the parts; the encoder is then trained on the texts that may be learned from. Gold labels "
        "are never read."
    )
    left, right = st.columns(2, gap="large")
    with left:
        spec = _parts(parts)
    with right:
        objectives = _objectives(parts["objective"])
    encoder_facts.measured(workspace, spec, _preview)
    _start(workspace, spec, objectives)
    jobs.panel(workspace, ["pretrain"], history=1)
    _losses(workspace)


def _about(about: Mapping[str, str], name: object) -> None:
    if said := about.get(str(name)):
        layout.note(said)


def _parts(parts: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    """Draw the choice of parts; returns fields of an encoder."""
    names = list(parts["encoder"])
    encoder = st.selectbox("Encoder", names, key="make_encoder", format_func=_said, persist_state="session")
    _about(parts["encoder"], encoder)
    if encoder == CONTINUED:
        return {"encoder": CONTINUED}
    spec: dict[str, Any] = {"encoder": encoder}
    with st.container(horizontal=True):
        if encoder != "static":
            spec["pooling"] = st.selectbox(
                "Pooling", list(parts["pooling"]), key="make_pooling", format_func=_said, width=130
            )
        for name, (label, least, most, usual) in _SIZES.items():
            spec[name] = int(st.number_input(label, least, most, usual, key=f"make_{name}", width=130))
    spec["head"] = st.multiselect(
        "Head", list(parts["head"]), default=["normalise"], key="make_head", format_func=_said
    )
    if "dense" in spec["head"]:
        spec["dense"] = int(st.number_input("Length of a vector", 16, 1024, 256, key="make_dense", width=160))
    if encoder == "transformer":
        spec["embedding"] = st.multiselect(
            "Embedding",
            [x for x in parts["embedding"] if x != "static"],
            default=[x for x in ("word", "position", "segment") if x in parts["embedding"]],
            key="make_embedding",
            format_func=_said,
        )
    if st.checkbox(
        "Learn the words from this corpus",
        key="make_tokeniser",
        help="Else the word pieces of the usual encoder are used, which are English.",
    ):
        pieces = st.number_input("Word pieces", 500, 60_000, 8_000, 500, key="make_vocabulary", width=160)
        spec["vocabulary"] = int(pieces)
    return spec


def _objectives(known: Mapping[str, str]) -> dict[str, float]:
    """Draw what is trained for, and with which weights."""
    chosen = st.multiselect(
        "Trained for",
        list(known),
        default=[x for x in USUAL if x in known],
        key="make_objectives",
        format_func=_said,
        help="Several at once are summed with their weights.",
    )
    weights: dict[str, float] = {}
    with st.container(horizontal=True):
        for name in chosen:
            weights[name] = float(
                st.number_input(
                    f"Weight of {_said(name)}", 0.05, 100.0, 1.0, 0.25, key=f"make_weight_{name}", width=170
                )
            )
    for name in chosen:
        layout.note(f"{_said(name)}: {known[name]}")
    return weights


def _said(name: object) -> str:
    """Write the name of a part as people do."""
    return _WORDS.get(str(name), str(name).replace("_", " "))


def _preview(found: encoder_facts.Found) -> None:
    """Draw what the encoder would be."""
    if isinstance(found, str):
        st.html('<p class="lx-note"><span class="lx-unsure">These parts do not go together.</span></p>')
        layout.note(found)
        return
    encoder_facts.figures("As chosen", "before any training", found)
    if found is not None:
        layout.note(" → ".join(found.modules))


def _start(workspace: Workspace, spec: Mapping[str, Any], objectives: Mapping[str, float]) -> None:
    taken = {e.name for e in workspace.encoders()}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.text_input(
            "Name",
            _free(str(spec["encoder"]), taken),
            key=f"make_name_{spec['encoder']}",
            max_chars=60,
            width=220,
        )
        name = "-".join(name.lower().split())
        steps = st.number_input(
            "Steps",
            0,
            1_000_000,
            500,
            100,
            key="make_steps",
            width=140,
            help="Batches of texts. Some hundreds show whether it helps; thousands take hours without a "
            "graphics card. 0 makes the encoder without training.",
        )
        busy = any(job.verb == "pretrain" for job in services.active_jobs(workspace))
        params = {
            "name": name,
            "encoder": dict(spec),
            "objectives": dict(objectives),
            "steps": int(steps),
        }
        st.button(
            "Pre-train",
            type="primary",
            key="make_start",
            icon=":material/fitness_center:",
            disabled=busy or not name or (not objectives and steps > 0),
            on_click=actions.start,
            args=(workspace, "pretrain", params),
        )
    if name in taken:
        layout.note(f"There is an encoder called {name} already: choose another name.")


def _free(encoder: str, taken: set[str]) -> str:
    """Return a name that no encoder has yet."""
    base = {"pretrained": "continued"}.get(encoder, encoder)
    return next(x for x in (f"{base}-{i}" for i in range(1, len(taken) + 2)) if x not in taken)


def _losses(workspace: Workspace) -> None:
    """Draw the losses of the newest pre-training, live while it runs."""
    last = next((job for job in workspace.jobs() if job.verb == "pretrain"), None)
    name = str(last.params.get("name", "")) if last else ""
    if not name or last is None:
        return

    if last.state == "done":
        layout.note(f"{name} is ready: compare it, or use it, under “Use another”.")

    def look() -> None:
        with errors.shown():
            frame = workspace.pretraining_losses(name)
            if len(frame):
                title = f"{name}: {charts_encoders.finding(frame)}"
                figure = charts_encoders.losses(frame, title, dark=layout.dark())
                downloads.plot(figure, f"losses-{name}", key="encoder_losses")

    st.fragment(look, run_every=2.0 if last.active else None)()


# ---- tried before ---------------------------------------------------------------------------------


def zoo(workspace: Workspace) -> None:
    """Draw the configurations that ship with the product, with what was measured of each."""
    entries = {entry.name: entry for entry in workspace.encoder_zoo()}
    if not entries:
        layout.note("No configuration ships with this version.")
        return
    layout.note("Configurations that were tried, and what they came to. Choose one to start from it.")
    rows, ids = [], []
    for entry in entries.values():
        for measured in entry.measured or ({},):
            rows.append(_row(entry, measured))
            ids.append(entry.name)
    chosen = table.table(
        rows,
        ids,
        key="encoder_zoo",
        columns={
            **{
                x: st.column_config.NumberColumn(format="percent", width=85)
                for x in ("P@1", "R@10", "P@1 after", "R@10 after")
            },
            "Documents a second": table.number("Documents a second"),
        },
    )
    layout.note(
        "P@1 and R@10 are without any learning; after: when the student has learned over four rounds."
    )
    if chosen is not None:
        entry = entries[chosen]
        st.button(
            f"Start from “{entry.title}”".replace("_", r"\_"),
            key="zoo_take",
            on_click=_take,
            args=(entry,),
        )


def _row(entry: ZooEntry, measured: Mapping[str, Any]) -> dict[str, Any]:
    seconds = measured.get("cpu_seconds")
    return {
        "Encoder": entry.title,
        "Trained for": ", ".join(_said(x) for x in entry.objectives) or "nothing",
        "Corpus": measured.get("corpus", "not measured"),
        "P@1": table.rounded(measured.get("zero-shot P@1")),
        "R@10": table.rounded(measured.get("zero-shot R@10")),
        "P@1 after": table.rounded(measured.get("cycle P@1")),
        "R@10 after": table.rounded(measured.get("cycle R@10")),
        "Documents a second": measured.get("documents_per_second"),
        "Training": words.duration(seconds) if isinstance(seconds, int | float) else "",
    }


def _take(entry: ZooEntry) -> None:
    """Put a configuration into the form."""
    encoder = str(entry.encoder.get("encoder", CONTINUED))
    kept: dict[str, Any] = {"make_encoder": encoder, "make_objectives": list(entry.objectives)}
    kept |= {f"make_weight_{name}": float(weight) for name, weight in entry.objectives.items()}
    kept["make_steps"] = int(entry.steps)
    kept |= {
        f"make_{name}": int(entry.encoder[name]) for name in (*_SIZES, "dense") if entry.encoder.get(name)
    }
    for name in ("pooling", "head", "embedding"):
        if entry.encoder.get(name):
            kept[f"make_{name}"] = entry.encoder[name]
    if entry.encoder.get("vocabulary"):
        kept |= {"make_tokeniser": True, "make_vocabulary": int(entry.encoder["vocabulary"])}
    kept["encoder_view"] = "make"
    for name, value in kept.items():
        st.session_state[name] = list(value) if isinstance(value, tuple) else value
