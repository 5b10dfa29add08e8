"""Prompts: versioned template files, the user's own beside those that come with the product.

A template is a Jinja file with blocks. `document` is what a model reads first and what all questions
about the document share; `question` is what is asked of one label (`label`), or `list` of all candidates at
once (`labels`). `system` is the system message, left out where empty. Rendering a prompt, asking a model and
reading its answer are three things, in three places.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from jinja2 import StrictUndefined, Template, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from lmtx.errors import InputError, NotFoundError
from lmtx.types import Document, Label, content_hash

_PACKAGED = Path(__file__).parent
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,60}\.v[1-9][0-9]{0,3}")
_BASE_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,60}")
_ENVIRONMENT = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False, trim_blocks=True)

PAIR, LIST = "tag.v1", "list.v1"
"""Templates used unless another is named: one label at a time, and all candidates at once."""

_UNUSABLE = (
    TemplateError,
    TypeError,
    ValueError,
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
)
"""What rendering a template raises where the template is at fault."""

Form = Literal["pair", "list"]
Message = dict[str, str]


@dataclass(frozen=True)
class Example:
    """A decided pair that is shown to the model before it is asked."""

    title: str
    text: str
    label: Label
    wanted: bool


@dataclass(frozen=True)
class FewShot:
    """A named, frozen set of examples; its hash is part of the teacher's key."""

    name: str
    examples: tuple[Example, ...]

    @property
    def hash(self) -> str:
        """Hash of all that the model reads of it."""
        return content_hash(json.dumps([asdict(x) for x in self.examples], sort_keys=True))


@dataclass(frozen=True)
class Prompt:
    """A template.

    Attributes
    ----------
    name : str
        Name and version, "tag.v1"; a changed text is another version.
    text : str
        The file.
    own : bool
        Whether it is the user's.
    """

    name: str
    text: str
    own: bool = False

    @property
    def form(self) -> Form:
        """Whether it asks about one label or about all candidates."""
        return "list" if "list" in self._template.blocks else "pair"

    @property
    def about(self) -> str:
        """First line of the comment that the file begins with."""
        found = re.match(r"\s*\{#-?\s*(.*?)\s*-?#\}", self.text, re.S)
        return " ".join(found[1].split()) if found else ""

    @cached_property
    def _template(self) -> Template:
        try:
            return _ENVIRONMENT.from_string(self.text)
        except (TemplateError, SyntaxError, RecursionError) as error:
            line = f" line {error.lineno}" if hasattr(error, "lineno") else ""
            raise InputError(f"prompt {self.name!r}{line}: {error}. Mend the template.") from error

    def check(self) -> None:
        """Raise `InputError` where the template can't be used: it is rendered for a made-up pair."""
        blocks = set(self._template.blocks)
        if "document" not in blocks or len(blocks & {"question", "list"}) != 1:
            raise InputError(
                f"prompt {self.name!r}: has the blocks {', '.join(sorted(blocks)) or 'none'}; expected "
                "`document` and either `question` (one label) or `list` (all candidates), and `system` where "
                "wanted. Write them as {% block document %} … {% endblock %}."
            )
        label = Label("id", "Name", "Definition", ("Alias",))
        marker = "\x02the text\x03"
        if marker not in self.document("Title", marker).lower():
            raise InputError(
                f"prompt {self.name!r}: the block `document` does not show the text. Write {{{{ text }}}} "
                "or {{ document }} in it."
            )
        asked = self.list([label]) if self.form == "list" else self.question(label)
        if label.name.lower() not in asked.lower():
            raise InputError(
                f"prompt {self.name!r}: the label's name is not asked about. Write {{{{ label.name }}}} in "
                "the block `question`, or go through `labels` in the block `list`."
            )
        self.system()

    def system(self) -> str:
        """System message, empty where there is none."""
        return self._block("system").strip()

    def document(self, title: str, text: str) -> str:
        """Text that all questions about a document share."""
        full = Document("", title, text).full_text
        return self._block("document", title=title, text=text, document=full)

    def question(self, label: Label) -> str:
        """Question about one label."""
        return self._block("question", label=label)

    def list(self, labels: Sequence[Label]) -> str:
        """Question about all candidates, which the template numbers from 1."""
        return self._block("list", labels=list(labels))

    def _block(self, name: str, **values: Any) -> str:
        block = self._template.blocks.get(name)
        if block is None:
            return ""
        try:
            return "".join(block(self._template.new_context(values)))
        except _UNUSABLE as error:
            raise InputError(
                f"prompt {self.name!r}, block `{name}`: {error}. Known are: in `document` title, text and "
                "document (both); in `question` label.name, label.description, label.aliases; in `list` "
                "labels."
            ) from error


def messages(
    prompt: Prompt, document: str, question: str, examples: Sequence[tuple[str, str, str]] = ()
) -> list[Message]:
    """Chat messages of one question: system, examples as turns, then document and question.

    Parameters
    ----------
    prompt : Prompt
    document, question : str
        Rendered blocks.
    examples : sequence of (document, question, answer)
        Rendered few-shot examples.
    """
    system = prompt.system()
    found: list[Message] = [{"role": "system", "content": system}] if system else []
    for text, asked, answer in examples:
        found += [{"role": "user", "content": text + asked}, {"role": "assistant", "content": answer}]
    return [*found, {"role": "user", "content": document + question}]


def load_prompt(name: str, folder: Path | None = None) -> Prompt:
    """Read a template by name and version; the user's folder is looked in first.

    Raises
    ------
    NotFoundError
        If there is none of that name.
    InputError
        If it is no usable template.
    """
    if not _NAME.fullmatch(name):
        raise InputError(f"prompt {name!r}: expected a name and a version such as {PAIR!r}.")
    for place, own in ((folder, True), (_PACKAGED, False)):
        path = place / f"{name}.jinja" if place is not None else None
        if path is not None and path.is_file():
            try:
                prompt = Prompt(name, path.read_text(encoding="utf-8"), own)
            except (OSError, UnicodeDecodeError) as error:
                raise InputError(f"{path}: can't be read ({error}). Mend or remove the file.") from error
            prompt.check()
            return prompt
    known = ", ".join(p.name for p in list_prompts(folder))
    raise NotFoundError(f"prompt {name!r} does not exist. Known: {known}.")


def list_prompts(folder: Path | None = None) -> list[Prompt]:
    """List the templates there are, the user's own last; unusable files are passed over."""
    found = []
    for place, own in ((_PACKAGED, False), (folder, True)):
        if place is None or not place.is_dir():
            continue
        for path in sorted(place.glob("*.jinja")):
            prompt = Prompt(path.stem, path.read_text(encoding="utf-8", errors="replace"), own)
            try:
                prompt.check()
            except InputError:
                continue
            found.append(prompt)
    return found


def save_prompt(folder: Path, base: str, text: str) -> Prompt:
    """Keep a user's template under the next free version of a name; the same text is kept once.

    Raises
    ------
    InputError
        If the name or the template is not usable; nothing is written then.
    """
    if not _BASE_NAME.fullmatch(base):
        raise InputError(f"prompt name {base!r}: use small letters, digits and hyphens, such as 'my-tags'.")
    text = text.replace("\r\n", "\n")  # as files are read: else the same text would be another version
    pattern = re.compile(re.escape(base) + r"\.v(\d+)")
    versions = {
        int(m[1]): path
        for place in (_PACKAGED, folder)
        for path in (place.glob("*.jinja") if place.is_dir() else ())
        if (m := pattern.fullmatch(path.stem))
    }
    if versions and versions[max(versions)].read_text(encoding="utf-8") == text:
        return load_prompt(f"{base}.v{max(versions)}", folder)
    prompt = Prompt(f"{base}.v{max(versions, default=0) + 1}", text, own=True)
    prompt.check()
    _write(folder / f"{prompt.name}.jinja", text)
    return prompt


def load_few_shot(name: str, folder: Path | None) -> FewShot:
    """Read a frozen set of examples by name."""
    path = folder / f"{name}.examples.json" if folder is not None else None
    if not _BASE_NAME.fullmatch(name) or path is None or not path.is_file():
        known = ", ".join(list_few_shot(folder)) or "none"
        raise NotFoundError(
            f"few-shot set {name!r} does not exist. Known: {known}. Make one from decisions on the page "
            "Teacher."
        )
    try:
        records = json.loads(path.read_text(encoding="utf-8"))
        examples = tuple(
            Example(
                r["title"],
                r["text"],
                Label(
                    r["label"]["id"],
                    r["label"]["name"],
                    r["label"]["description"],
                    tuple(r["label"]["aliases"]),
                ),
                bool(r["wanted"]),
            )
            for r in records
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path}: not readable as examples ({error}). Remove it and make it again."
        ) from error
    return FewShot(name, examples)


def list_few_shot(folder: Path | None) -> list[str]:
    """Names of the frozen sets of examples."""
    if folder is None or not folder.is_dir():
        return []
    return sorted(p.name.removesuffix(".examples.json") for p in folder.glob("*.examples.json"))


def save_few_shot(folder: Path, name: str, examples: Sequence[Example]) -> FewShot:
    """Freeze a set of examples under a name that is not taken."""
    if not _BASE_NAME.fullmatch(name):
        raise InputError(f"few-shot set {name!r}: use small letters, digits and hyphens.")
    path = folder / f"{name}.examples.json"
    if path.exists():
        raise InputError(
            f"few-shot set {name!r} exists and is frozen: teachers depend on it. Take another name."
        )
    _write(path, json.dumps([asdict(x) for x in examples], ensure_ascii=False, indent=1))
    return FewShot(name, tuple(examples))


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)
