"""Choices of the explore screen: each is in the address, so that every view has a link."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

import streamlit as st

from app import state

T = TypeVar("T")


def of_address(name: str, known: Sequence[T], usual: T) -> T:
    """Return what the address names; what is not known there is as if it were not there."""
    value = state.param(name)
    return next((x for x in known if x == value), usual)


def segmented(label: str, name: str, now: T, names: Mapping[T, str], *, forgets: Sequence[str] = ()) -> None:
    """Draw a choice of a few as buttons; another one takes what it `forgets` out of the address."""
    key = _key(name, now)
    st.segmented_control(
        label,
        list(names),
        format_func=names.__getitem__,
        key=key,
        required=True,
        label_visibility="collapsed",
        on_change=_chosen,
        args=(name, key, forgets),
    )


def box(label: str, name: str, now: T, names: Mapping[T, str], *, width: int = 210) -> None:
    """Draw a choice as a list that opens."""
    key = _key(name, now)
    st.selectbox(
        label,
        list(names),
        format_func=names.__getitem__,
        key=key,
        label_visibility="collapsed",
        width=width,
        on_change=_chosen,
        args=(name, key),
    )


def search(name: str, placeholder: str, *, width: int = 230) -> str:
    """Draw a search line and return what is in it."""
    key = _key(name, state.param(name) or "")
    typed = st.text_input(
        placeholder,
        key=key,
        type="search",
        label_visibility="collapsed",
        width=width,
        placeholder=placeholder,
        on_change=_chosen,
        args=(name, key),
    )
    return typed.strip()


def _key(name: str, now: object) -> str:
    """Let a widget show what the address says."""
    key = f"explore_{name}"
    st.session_state[key] = now
    return key


def _chosen(name: str, key: str, forgets: Sequence[str] = ()) -> None:
    value = st.session_state.get(key)
    state.address(**{name: None if value is None else str(value)}, **dict.fromkeys(forgets))
