"""What encoders are and how quick, measured in the background and kept; and how they are asked for."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import streamlit as st

from lmtx.encoder.identity import is_packaged
from lmtx.errors import LmtxError
from lmtx.workspace import Workspace

if TYPE_CHECKING:
    from lmtx.workspace.encoder_models import EncoderPreview

MOST_KEPT = 40
FORGOTTEN_S = 3.0
"""What no screen has asked for so long is not measured any more; those that wait ask every second."""


@st.cache_resource(show_spinner=False)
def _previews() -> dict[str, EncoderPreview | str | None]:
    """Return previews by workspace and encoder: a text is what went wrong, None that it is being made."""
    return {}


@st.cache_resource(show_spinner=False)
def _asked() -> dict[str, float]:
    """Return when each was asked for last, by the monotonic clock."""
    return {}


@st.cache_resource(show_spinner=False)
def _one_at_a_time() -> threading.Lock:
    """Two measured at once would tell half of the speed of each."""
    return threading.Lock()


def preview(workspace: Workspace, encoder: str | Mapping[str, Any]) -> EncoderPreview | str | None:
    """Say what an encoder would be; None while that is being found out, a text where it can't be made.

    Parameters
    ----------
    encoder : str or mapping
        What `Workspace.switch_encoder` takes, or fields of an encoder to assemble.
    """
    asked = encoder
    if isinstance(encoder, str):
        asked = "default" if is_packaged(encoder) else encoder
    documents = workspace.journal.counts().get("documents", 0)
    key = json.dumps([str(workspace.folder), asked, workspace.settings.encoder, documents], sort_keys=True)
    kept, asked_at, lock = _previews(), _asked(), _one_at_a_time()
    asked_at[key] = time.monotonic()
    if key in kept:
        return kept[key]
    kept[key] = None
    for old in [k for k, value in kept.items() if value is not None][:-MOST_KEPT]:
        kept.pop(old, None)

    def work() -> None:
        with lock:
            if time.monotonic() - asked_at[key] > FORGOTTEN_S:
                kept.pop(key, None)  # other parts were chosen meanwhile
                return
            try:
                kept[key] = workspace.encoder_preview(asked)
            except LmtxError as error:
                kept[key] = str(error)
            except BaseException:
                kept.pop(key, None)  # asked for again, it is tried again
                raise

    threading.Thread(target=work, name="lmtx-encoder-preview", daemon=True).start()
    return None
