"""Settings of language models that few people need, and what fills them first."""

from __future__ import annotations

import streamlit as st

from app.state import Key
from app.widgets import layout
from app.widgets.inert import escape
from app.widgets.teacher_kinds import LOCAL, LOCAL_URL, RERANKER, SERVER, STRATEGIES
from lmtx.errors import LmtxError, TeacherSpecError
from lmtx.teacher import TEACHERS, TeacherSpec
from lmtx.teacher.address import check_key_env
from lmtx.workspace import Workspace

_NO_NAME: Key[str] = Key("lmtx.teacher.no_name", "")
"""Why what was typed as a variable's name was forgotten, to show once."""
_PARTS = (
    "strategy",
    "prompt",
    "few_shot",
    "document_tokens",
    "concurrency",
    "price_in",
    "price_out",
    "key_env",
)


def seed(spec: TeacherSpec) -> None:
    """Fill the fields from a specification where nobody has filled them yet."""
    given = {name: spec.values.get(name, "") for name in _PARTS}
    strange = ",".join(f"{k}={v}" for k, v in spec.values.items() if k not in (*_PARTS, "base_url"))
    for kind in (SERVER, LOCAL, RERANKER):
        mine = spec.kind == kind
        _default(f"teacher_other_{kind}", strange if mine else "")
        _default(f"teacher_model_{kind}", (spec.model if mine else "") or (None if kind == SERVER else ""))
        _default(f"teacher_prompt_{kind}", given["prompt"] if mine else "")
        _default(f"teacher_few_shot_{kind}", given["few_shot"] if mine else "")
        _default(
            f"teacher_strategy_{kind}",
            given["strategy"] if mine and given["strategy"] in STRATEGIES.get(kind, {}) else "",
        )
        _default(f"teacher_document_tokens_{kind}", _whole(given["document_tokens"]) if mine else None)
    server = spec.kind == SERVER
    _default("teacher_base_url", (spec.values.get("base_url") if server else "") or LOCAL_URL)
    _default("teacher_key_env", given["key_env"] if server else "")
    _default("teacher_concurrency", (_whole(given["concurrency"]) if server else None) or 8)
    for name in ("price_in", "price_out"):
        _default(f"teacher_{name}", (_real(given[name]) if server else None) or 0.0)


def _default(key: str, value: object) -> None:
    st.session_state.setdefault(key, value)


def _whole(text: str) -> int | None:
    return int(text) if text.isdigit() else None


def _real(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def model(workspace: Workspace, kind: str) -> tuple[str, dict[str, object]]:
    """Draw the fields of a model that runs here; returns it and the other values."""
    example = {
        LOCAL: ("Name, folder or .gguf file", "Qwen/Qwen3-8B  or  /models/model.Q4_K_M.gguf"),
        RERANKER: ("Name or folder", "Qwen/Qwen3-Reranker-0.6B  or  /models/reranker"),
    }[kind]
    name = st.text_input(
        example[0],
        key=f"teacher_model_{kind}",
        persist_state="session",
        placeholder=example[1],
        help="A path is one on the machine where the app runs. A name is fetched from the Hugging Face "
        "hub the "
        "first time, which needs the network.",
    )
    return (name or "").strip(), advanced(workspace, kind)


def advanced(workspace: Workspace, kind: str) -> dict[str, object]:
    """Draw the settings of a language model that few people need, folded away."""
    values: dict[str, object] = {}
    title = "Advanced: prompt, reading, prices, key" if kind == SERVER else "Advanced: prompt, reading"
    with st.expander(title, icon=":material/tune:"):
        if kind in STRATEGIES:
            names = STRATEGIES[kind]
            values["strategy"] = st.selectbox(
                "How it is asked",
                list(names),
                format_func=lambda s: names.get(s, s),
                key=f"teacher_strategy_{kind}",
                persist_state="session",
            )
        values |= _prompt(workspace, kind)
        with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
            values["document_tokens"] = st.number_input(
                "Tokens read of a document",
                16,
                1_000_000,
                None,
                step=64,
                key=f"teacher_document_tokens_{kind}",
                persist_state="session",
                placeholder="usual",
                width=200,
                help="Longer documents are cut there. Empty: what is usual for the way it is asked.",
            )
            if kind == SERVER:
                n = st.number_input(
                    "Requests at a time",
                    1,
                    256,
                    key="teacher_concurrency",
                    persist_state="session",
                    width=170,
                )
                values["concurrency"] = n if n != 8 else None
        if kind == SERVER:
            values |= _paid()
        values |= _other(kind)
    return values


def _other(kind: str) -> dict[str, object]:
    """Draw the line for settings that have no field."""
    shown = {"base_url", *_PARTS}
    names = ", ".join(p for k in TEACHERS if k.name == kind for p in k.parameters if p not in shown)
    given = st.text_input(
        "Other settings",
        key=f"teacher_other_{kind}",
        persist_state="session",
        placeholder="name=value, name=value",
        help=f"Known: {names}.",
    )
    found: dict[str, object] = {}
    for item in filter(None, (x.strip() for x in (given or "").split(","))):
        name, equals, value = (x.strip() for x in item.partition("="))
        if not equals or name in shown:
            raise TeacherSpecError(f"Other settings: expected name=value of {names}, separated by commas.")
        found[name] = value
    return found


def _prompt(workspace: Workspace, kind: str) -> dict[str, object]:
    if kind == RERANKER:
        forms = {"": "its name", "described": "name, other names and definition"}
        prompt = st.selectbox(
            "What it reads of a label",
            list(forms),
            format_func=lambda f: forms.get(f, f),
            key=f"teacher_prompt_{kind}",
            persist_state="session",
        )
        return {"prompt": prompt}
    known = {p.name: p for p in workspace.prompts() if kind == SERVER or p.form == "pair"}
    left, right = st.columns(2, gap="small")
    key = f"teacher_prompt_{kind}"
    prompts = ["", *known, *_own(key, known)]
    prompt = left.selectbox(
        "Prompt",
        prompts,
        format_func=lambda name: (
            f"{name} (yours)" if name in known and known[name].own else name or "the usual"
        ),
        key=key,
        persist_state="session",
        help="The view “Prompt” shows them, and makes new ones.",
    )
    key = f"teacher_few_shot_{kind}"
    sets = workspace.few_shots()
    few_shot = right.selectbox(
        "Examples shown first",
        ["", *sets, *_own(key, sets)],
        format_func=lambda name: name or "none",
        key=key,
        persist_state="session",
        help="A set made from decisions of yours, in the view “Prompt”.",
    )
    return {"prompt": prompt, "few_shot": few_shot}


def _own(key: str, known: object) -> list[str]:
    """Return what is filled in but not among the options, so that it is not lost without a word."""
    now = st.session_state.get(key)
    return [now] if isinstance(now, str) and now and now not in known else []  # type: ignore[operator]


def _paid() -> dict[str, object]:
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        prices = {}
        for name, title in (("price_in", "Dollars a million tokens read"), ("price_out", "… and written")):
            given = st.number_input(
                title,
                0.0,
                None,
                step=0.05,
                format="%.2f",
                key=f"teacher_{name}",
                persist_state="session",
                width=200,
            )
            prices[name] = f"{given:g}" if given else None
    variable = st.text_input(
        "Environment variable with the key",
        key="teacher_key_env",
        persist_state="session",
        placeholder="LMTX_API_KEY",
        on_change=_only_a_name,
        help="Its name only. Usual: OPENAI_API_KEY for OpenAI, LMTX_API_KEY for any other server.",
    )
    if problem := _NO_NAME.pop():
        st.html(f'<div class="lx-error" role="alert">{escape(problem)}</div>')
    layout.note(
        "Keys are read from the environment of the machine where the app runs, and never typed here: set the "
        "variable before the app is started."
    )
    return {**prices, "key_env": variable}


def _only_a_name() -> None:
    """Forget what was typed where it is no name of a variable, as it may be a key."""
    try:
        check_key_env(str(st.session_state.get("teacher_key_env") or "").strip())
    except LmtxError:
        st.session_state["teacher_key_env"] = ""
        _NO_NAME.set(
            "That is no name of an environment variable, which is written in capitals, such as "
            "MY_SERVICE_KEY. "
            "It was forgotten. If it was a key: keys are never typed here."
        )
