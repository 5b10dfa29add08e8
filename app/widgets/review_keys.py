"""What the review needs of the browser: sure keys, a word when the connection is lost, a line for reasons."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import streamlit as st

# Streamlit compares all keys that are down: the next key of somebody who types fast, pressed before the
# last one is up, would not count. So the page is told that the last one is up. A key that is held down
# comes again and again, and must not decide what nobody has read. And while the screen is drawn anew, what
# was there may still be beside what comes: a key that would mean two things means nothing.
_WATCH = """
export default function (component) {
  const { data, setStateValue } = component;
  const plain = (event) => !event.ctrlKey && !event.metaKey && !event.altKey && !event.isComposing;
  const typing = (event) => (event.composedPath?.() || []).some(
    (at) => at.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(at.tagName || ''));
  const meanings = (key) => {
    const name = CSS.escape(key.length === 1 ? key.toUpperCase() : key);
    const all = document.querySelectorAll(`button:not(:disabled) [aria-label="Shortcut ${name}"]`);
    return [...all].filter((at) => at.closest('button').getClientRects().length).length;
  };
  const held = new Map();
  const letGo = (key, init) => {
    held.delete(key);
    document.dispatchEvent(new KeyboardEvent('keyup', { ...init, bubbles: true }));
  };
  const down = (event) => {
    if (!event.isTrusted || !plain(event) || event.key.length > 1 && event.key !== 'Enter') return;
    if (typing(event)) return;
    if (event.repeat || meanings(event.key) > 1) {
      event.stopImmediatePropagation();
      event.preventDefault();
      return;
    }
    for (const [key, init] of held) if (key !== event.code) letGo(key, init);
    held.set(event.code, { key: event.key, code: event.code, keyCode: event.keyCode, which: event.keyCode });
  };
  const up = (event) => {
    if (!event.isTrusted || !held.has(event.code)) return;
    if (typing(event)) letGo(event.code, held.get(event.code)); else held.delete(event.code);
  };
  const blur = () => { for (const [key, init] of held) letGo(key, init); };
  window.addEventListener('keydown', down, true);
  window.addEventListener('keyup', up, true);
  window.addEventListener('blur', blur);

  // A banner that nobody overlooks, as soon as the server can't hear.
  let since = null, connected = false;
  const banner = document.querySelector('.lx-lost') || document.createElement('div');
  banner.className = 'lx-lost';
  banner.setAttribute('role', 'alert');
  banner.textContent = data.lost;
  const look = () => {
    const app = document.querySelector('[data-testid="stApp"]');
    const fine = app?.dataset.testConnectionState === 'CONNECTED';
    connected = connected || fine;
    since = fine ? null : since ?? Date.now();
    if (connected && since !== null && Date.now() - since > 900) document.body.appendChild(banner);
    else banner.remove();
  };
  const timer = setInterval(look, 300);

  // The name of who reviews stays with the browser.
  try {
    const kept = localStorage.getItem('lmtx.reviewer') || '';
    if (data.reviewer && data.reviewer !== kept) localStorage.setItem('lmtx.reviewer', data.reviewer);
    else if (!data.reviewer && kept) setStateValue('reviewer', kept);
  } catch (error) { /* a browser that keeps nothing */ }
  return () => {
    clearInterval(timer);
    banner.remove();
    window.removeEventListener('keydown', down, true);
    window.removeEventListener('keyup', up, true);
    window.removeEventListener('blur', blur);
  };
}
"""
LOST = (
    "Connection lost. What said “saved” is saved, and what you typed stays here. "
    "Keys count again when it is back."
)


def watch(reviewer: str) -> str:
    """Make keys sure, and watch the connection.

    Parameters
    ----------
    reviewer : str
        Who reviews in this session, "" where nobody said: the browser remembers it.

    Returns
    -------
    str
        Name that the browser remembers, where the session knows none.
    """
    mount = st.components.v2.component("lmtx_review_watch", html="<span></span>", js=_WATCH)
    with st.container(key="lx_watch"):
        result = mount(
            data={"lost": LOST, "reviewer": reviewer}, key="review_watch", on_reviewer_change=lambda: None
        )
    return str(result.reviewer or "")


_LINE_HTML = (
    '<div class="why"><span class="about"></span><span class="chips"></span>'
    '<input type="text" dir="auto" autocomplete="off"></div>'
)
# One line high, whatever it shows: what is below must not move under the hand.
_LINE_CSS = """
.why { display: flex; align-items: center; gap: .35rem; height: 1.9rem; overflow: hidden; font-size: .8rem; }
.about { color: var(--lx-quiet); white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
.about { flex: 1 1 3rem; min-width: 0; }
kbd { font: inherit; font-size: .72rem; border: 1px solid var(--st-border-color); border-radius: 4px; }
kbd { padding: 0 .26rem; margin-right: .25rem; }
.chips { display: none; gap: .22rem; flex: 0 0 auto; }
.why.asked .chips, .why.open .chips { display: inline-flex; }
.chips button { font: inherit; color: var(--st-text-color); background: transparent; cursor: pointer; }
.chips button { border: 1px solid var(--st-border-color); border-radius: 999px; padding: .03rem .42rem; }
.chips button:hover { border-color: var(--st-primary-color); }
.why:not(.open) .chips kbd { display: none; }
.why.open .about, .why.typing .about, .why.typing .chips { position: absolute; left: -9999px; }
.why:not(.open):not(.typing) input { position: absolute; left: -9999px; }
.why.open input, .why.typing input { flex: 1 1 4rem; min-width: 0; padding: .2rem .1rem; }
.why input { font: inherit; font-size: .85rem; color: var(--st-text-color); }
.why input { background: transparent; border: 0; outline: 0; }
.why.open input { border-bottom: 2px solid var(--st-primary-color); }
.why input::placeholder { color: var(--lx-quiet); }
@media (max-width: 900px) {
  .why { gap: .2rem; }
  .chips { gap: .15rem; font-size: .68rem; }
  .chips button { padding: .03rem .28rem; }
}
"""
# Numbers choose a reason while the line is empty; as soon as something else is typed it is a note.
_LINE_JS = """
export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  const box = parentElement.querySelector('.why'), line = box.querySelector('input');
  const chips = box.querySelector('.chips'), about = box.querySelector('.about');
  const store = 'lmtx.draft.' + data.draft;
  const keep = () => { try {
    if (line.value) sessionStorage.setItem(store, line.value); else sessionStorage.removeItem(store);
  } catch (error) { /* a browser that keeps nothing */ } };
  const send = (what) => {
    setTriggerValue('said', { ...what, seed: data.seed });
    line.value = ''; keep(); mode(); line.blur();
  };
  box.classList.toggle('asked', data.asked);
  about.replaceChildren(Object.assign(document.createElement('kbd'), { textContent: 'T' }), data.about);
  about.title = data.about;
  line.placeholder = data.placeholder;
  line.setAttribute('aria-label', data.label);
  const shown = JSON.stringify(data.reasons);
  if (chips.dataset.shown !== shown) {
    chips.dataset.shown = shown;
    chips.replaceChildren();
  }
  [...data.reasons.entries()].forEach(([i, [id, name]]) => {
    const chip = chips.children[i] || chips.appendChild(document.createElement('button'));
    chip.type = 'button';
    chip.tabIndex = -1;
    chip.replaceChildren(Object.assign(document.createElement('kbd'), { textContent: i + 1 }), name);
    chip.onmousedown = (event) => event.preventDefault();
    chip.onclick = () => send({ reason: id, note: '' });
  });
  if (line.dataset.seed !== data.seed) {
    if (line.dataset.seed !== undefined) line.value = '';
    line.dataset.seed = data.seed;
    try { if (!line.value) line.value = sessionStorage.getItem(store) || ''; } catch (error) { /* none */ }
  }
  const mode = () => box.classList.toggle('typing', line.value !== '');
  mode();
  line.onfocus = () => box.classList.add('open');
  line.onblur = () => box.classList.remove('open');
  line.oninput = () => { keep(); mode(); };
  line.onkeyup = (event) => event.stopPropagation();
  line.onkeydown = (event) => {
    event.stopPropagation();
    if (event.isComposing) return;
    const reason = data.reasons[Number(event.key) - 1];
    if (event.key === 'Enter') {
      event.preventDefault();
      if (line.value.trim()) send({ reason: '', note: line.value.trim() }); else line.blur();
    } else if (event.key === 'Escape') {
      line.value = ''; keep(); mode(); line.blur();
    } else if (!line.value && reason && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      send({ reason: reason[0], note: '' });
    }
  };
  const typing = (at) => at && (at.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(at.tagName));
  const open = (event) => {
    if (event.key.toLowerCase() !== 't' || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.repeat || typing(event.composedPath?.()[0])) return;
    event.preventDefault();
    line.focus();
  };
  document.addEventListener('keydown', open);
  return () => document.removeEventListener('keydown', open);
}
"""


def reason_line(
    about: str,
    *,
    asked: bool,
    reasons: Mapping[str, str],
    seed: str,
    draft: str,
    on_said: Callable[[str, str], None],
) -> None:
    """Draw the line that takes a reason or a note; T goes there.

    Parameters
    ----------
    about : str
        What it is about.
    asked : bool
        Whether the reasons show before T is pressed.
    reasons : mapping
        Reason -> its words.
    seed : str
        Change it to empty the line.
    draft : str
        Under which name the browser keeps what is typed, until it is sent.
    on_said : callable
        Called with a reason and a note, one of them empty.
    """

    def said() -> None:
        given = st.session_state["review_reason"].get("said")
        if given and given["seed"] == seed:
            on_said(str(given["reason"]), str(given["note"]))

    mount = st.components.v2.component("lmtx_review_reason", html=_LINE_HTML, css=_LINE_CSS, js=_LINE_JS)
    mount(
        data={
            "about": about,
            "asked": asked,
            "reasons": [list(x) for x in reasons.items()],
            "seed": seed,
            "draft": draft,
            "label": "Reason or note",
            "placeholder": "or a note",
        },
        key="review_reason",
        on_said_change=said,
    )
