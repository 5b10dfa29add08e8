from __future__ import annotations

import json
from pathlib import Path

import pytest

from lmtx.errors import InputError, NotFoundError
from lmtx.teacher.prompts import (
    LIST,
    PAIR,
    Example,
    Prompt,
    list_few_shot,
    list_prompts,
    load_few_shot,
    load_prompt,
    messages,
    save_few_shot,
    save_prompt,
)
from lmtx.types import Label

BARE = Label("l1", "cooking")
FULL = Label("l2", "baking", "Making bread and cakes", ("pastry", "Backen"))
PACKAGED = [prompt.name for prompt in list_prompts()]
MINE = "{% block document %}{{ text }}{% endblock %}{% block question %}Is it {{ label.name }}?{% endblock %}"
EXAMPLES = [Example("Bread", "How to knead", FULL, True), Example("", "Tax law", BARE, False)]


# ---- those that come with the product ----------------------------------------------------------


def test_what_comes_with_the_product() -> None:
    assert {PAIR, LIST, "tag-described.v1", "list-described.v1", "official-tag.v1"} <= set(PACKAGED)
    assert all(prompt.about for prompt in list_prompts())
    assert not any(prompt.own for prompt in list_prompts())


@pytest.mark.parametrize("name", PACKAGED)
@pytest.mark.parametrize("label", [BARE, FULL], ids=["name only", "described"])
def test_packaged_templates_render(name: str, label: Label) -> None:
    prompt = load_prompt(name)
    document = prompt.document("A title", "The text.")
    assert "A title\nThe text." in document
    assert "The text." in prompt.document("", "The text.")
    asked = prompt.list([label, BARE]) if prompt.form == "list" else prompt.question(label)
    assert label.name in asked
    for unwanted in ("None", "()", ": \n", "  ", "\n\n\n"):
        assert unwanted not in asked
    described = "described" in name
    assert ("Making bread" in asked) == (described and label is FULL)
    assert ("pastry, Backen" in asked) == (described and label is FULL)


@pytest.mark.parametrize("name", [x for x in PACKAGED if x.startswith("official-")])
def test_the_published_prompts_are_one_message_without_a_gap(name: str) -> None:
    prompt = load_prompt(name)
    (message,) = messages(prompt, prompt.document("", "Some text"), prompt.question(BARE))
    assert message["role"] == "user"
    assert message["content"].startswith('document = "Some text". ')
    assert message["content"].endswith("answer yes or no")
    assert "  " not in message["content"]


def test_the_published_prompt_for_tags() -> None:
    prompt = load_prompt("official-tag.v1")
    (message,) = messages(prompt, prompt.document("", "Some text"), prompt.question(BARE))
    expected = 'document = "Some text". Is the tag "cooking" relevant to the document? answer yes or no'
    assert message["content"] == expected


def test_lists_are_numbered_from_one() -> None:
    lines = load_prompt(LIST).list([BARE, FULL]).splitlines()
    assert lines[1:3] == ["1. cooking", "2. baking"]


def test_messages_show_examples_as_turns() -> None:
    prompt = load_prompt(PAIR)
    shown = messages(prompt, "D", "Q", [("D1", "Q1", "yes"), ("D2", "Q2", "no")])
    assert [m["role"] for m in shown] == ["system", "user", "assistant", "user", "assistant", "user"]
    assert [m["content"] for m in shown][1:] == ["D1Q1", "yes", "D2Q2", "no", "DQ"]


@pytest.mark.parametrize("name", PACKAGED)
def test_texts_are_never_read_as_templates(name: str) -> None:
    prompt = load_prompt(name)
    evil = "{{ 7 * 7 }} {% for x in y %} {# gone #} {{ label.__class__ }} <b>&amp;"
    assert evil in prompt.document("", evil)
    assert evil in prompt.document(evil, "")
    label = Label("l", evil, evil, (evil,))
    assert evil in (prompt.list([label]) if prompt.form == "list" else prompt.question(label))


# ---- the user's own ----------------------------------------------------------------------------


def test_a_saved_prompt_is_another_version_and_overwrites_none(tmp_path: Path) -> None:
    first = save_prompt(tmp_path, "mine", MINE)
    second = save_prompt(tmp_path, "mine", MINE + " ")
    assert (first.name, second.name) == ("mine.v1", "mine.v2")
    assert load_prompt("mine.v1", tmp_path) == Prompt("mine.v1", MINE, own=True)
    assert load_prompt("mine.v2", tmp_path).text == MINE + " "
    assert [p.name for p in list_prompts(tmp_path) if p.own] == ["mine.v1", "mine.v2"]
    assert not [x for x in tmp_path.iterdir() if x.suffix != ".jinja"]


def test_the_same_text_is_kept_once(tmp_path: Path) -> None:
    text = MINE.replace("Is it", "Is\nit")
    assert save_prompt(tmp_path, "mine", text).name == "mine.v1"
    assert save_prompt(tmp_path, "mine", text).name == "mine.v1"
    from_windows = save_prompt(tmp_path, "mine", text.replace("\n", "\r\n"))
    assert from_windows == load_prompt("mine.v1", tmp_path)
    assert len(list(tmp_path.iterdir())) == 1


def test_versions_go_on_from_those_of_the_product(tmp_path: Path) -> None:
    assert save_prompt(tmp_path, "tag", MINE).name == "tag.v2"
    assert load_prompt(PAIR, tmp_path) == load_prompt(PAIR)
    assert not load_prompt("tag.v1", tmp_path).own


def test_versions_count_as_numbers(tmp_path: Path) -> None:
    for version in (2, 10):
        (tmp_path / f"mine.v{version}.jinja").write_text(MINE + str(version))
    (tmp_path / "mine-too.v30.jinja").write_text(MINE)
    assert save_prompt(tmp_path, "mine", MINE).name == "mine.v11"


@pytest.mark.parametrize("name", ["Tag", "my tags", "../mine", "mine.v1", "", "a" * 70, "ü"])
def test_names_that_are_not_usable(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="small letters, digits and hyphens"):
        save_prompt(tmp_path, name, MINE)
    with pytest.raises(InputError, match="small letters, digits and hyphens"):
        save_few_shot(tmp_path, name, EXAMPLES)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["tag", "tag.v0", "../tag.v1", "tag.v1.jinja", "TAG.v1", "/tag.v1"])
def test_loading_takes_a_name_and_a_version(name: str) -> None:
    with pytest.raises(InputError, match="expected a name and a version"):
        load_prompt(name)


def test_what_does_not_exist_lists_what_does(tmp_path: Path) -> None:
    save_prompt(tmp_path, "mine", MINE)
    with pytest.raises(NotFoundError, match=r"does not exist. Known: .*tag\.v1.*mine\.v1"):
        load_prompt("yours.v1", tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{% block document %}\n{{ text }}\n{% endblock %}\n{% block question %}{{ label.name }", r"line 4"),
        ("\n\n{% if %}", r"line 3"),
        ("{{ text | no_such_filter }}", r"line 1.*no_such_filter"),
        ("{% block document %}{{ text }}{% endblock %}", r"has the blocks document; expected"),
        ("just text", r"has the blocks none; expected"),
        (MINE + "{% block list %}{{ labels }}{% endblock %}", r"document, list, question; expected"),
        (MINE.replace("{{ text }}", "{{ title }}"), r"`document` does not show the text. Write \{\{ text"),
        (MINE.replace("label.name", "label.description"), r"name is not asked about"),
        (MINE.replace("label.name", "label.nome"), r"block `question`: .*nome.*Known are"),
        (MINE.replace("{{ text }}", "{{ text }}{{ tilte }}"), r"block `document`: 'tilte' is undefined"),
        (MINE.replace("{{ text }}", "{{ text }}{{ 1 / 0 }}"), r"block `document`: division by zero"),
        (MINE.replace("{{ text }}", "{{ text }}{{ '{3}'.format(1) }}"), r"block `document`: "),
        (MINE.replace("{{ text }}", "{{ text }}{{ text + 1 }}"), r"block `document`: "),
        (MINE.replace("{{ text }}", "{{ text }}{% include 'tag.v1.jinja' %}"), r"block `document`: "),
        (MINE + "{% block system %}{{ nothing }}{% endblock %}", r"block `system`: 'nothing' is undefined"),
    ],
)
def test_templates_that_are_not_usable(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        save_prompt(tmp_path, "mine", text)
    assert not list(tmp_path.iterdir())
    (tmp_path / "mine.v1.jinja").write_text(text)
    with pytest.raises(InputError, match=message):
        load_prompt("mine.v1", tmp_path)
    assert [p.name for p in list_prompts(tmp_path)] == PACKAGED


@pytest.mark.parametrize(
    "reach",
    [
        "{{ label.__class__ }}",
        "{{ label.__class__.__mro__[1].__subclasses__() }}",
        "{{ ''.__class__ }}",
        "{{ label.name.__len__() }}",
        "{{ ''['__class__'] }}",
        "{{ label | attr('__class__') }}",
        "{{ label.hash.__self__ }}",
        "{{ cycler.__init__.__globals__ }}",
        "{{ self.__init__.__globals__ }}",
        "{{ '{0.__class__}'.format(label) }}",
        "{% set x = label.aliases.__class__ %}{{ x() }}",
        "{% for x in range(10000000) %}x{% endfor %}",
    ],
)
def test_templates_stay_in_their_sandbox(tmp_path: Path, reach: str) -> None:
    with pytest.raises(InputError, match=r"block `question`: "):
        save_prompt(tmp_path, "mine", MINE.replace("Is it", f"Is it {reach}"))


def test_templates_change_nothing_they_are_given() -> None:
    prompt = Prompt("mine.v1", MINE.replace("Is it", "{% set label.name = 'other' %}"))
    with pytest.raises(InputError):
        prompt.check()
    listing = Prompt(
        "mine.v1",
        "{% block document %}{{ text }}{% endblock %}"
        "{% block list %}{{ labels.clear() }}{{ labels[0].name }}{% endblock %}",
    )
    with pytest.raises(InputError, match="block `list`"):
        listing.check()


@pytest.mark.parametrize("change", ["| upper", "| lower", "| title"])
def test_texts_may_be_written_in_other_letters(tmp_path: Path, change: str) -> None:
    text = MINE.replace("label.name", f"label.name {change}").replace("text }}", f"text {change} }}}}")
    prompt = save_prompt(tmp_path, "mine", text)
    assert "cooking" in prompt.question(BARE).lower()


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "mine.v1.jinja").write_bytes(b"\xff\xfe\x00 not text")
    with pytest.raises(InputError, match=r"mine\.v1\.jinja: can't be read"):
        load_prompt("mine.v1", tmp_path)
    assert [p.name for p in list_prompts(tmp_path)] == PACKAGED


# ---- examples ----------------------------------------------------------------------------------


def test_a_set_of_examples_is_kept_as_it_was(tmp_path: Path) -> None:
    saved = save_few_shot(tmp_path, "good-ones", EXAMPLES)
    loaded = load_few_shot("good-ones", tmp_path)
    assert loaded == saved
    assert loaded.hash == saved.hash
    assert loaded.examples == tuple(EXAMPLES)
    assert list_few_shot(tmp_path) == ["good-ones"]


def test_a_set_of_examples_is_frozen(tmp_path: Path) -> None:
    save_few_shot(tmp_path, "good-ones", EXAMPLES)
    before = (tmp_path / "good-ones.examples.json").read_bytes()
    with pytest.raises(InputError, match=r"exists and is frozen.*Take another name"):
        save_few_shot(tmp_path, "good-ones", EXAMPLES[:1])
    assert (tmp_path / "good-ones.examples.json").read_bytes() == before


def test_the_hash_of_examples_covers_what_is_read() -> None:
    from lmtx.teacher.prompts import FewShot

    first = FewShot("a", tuple(EXAMPLES))
    assert FewShot("b", tuple(EXAMPLES)).hash == first.hash
    assert FewShot("a", tuple(EXAMPLES[::-1])).hash != first.hash
    assert FewShot("a", (*EXAMPLES[:1], Example("", "Tax law", BARE, True))).hash != first.hash


def test_examples_that_do_not_exist(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"does not exist. Known: none"):
        load_few_shot("good-ones", tmp_path)
    with pytest.raises(NotFoundError, match="Known: none"):
        load_few_shot("good-ones", None)
    save_few_shot(tmp_path / "deeper", "good-ones", EXAMPLES)
    with pytest.raises(NotFoundError, match="does not exist"):
        load_few_shot("deeper/good-ones", tmp_path)
    assert list_few_shot(None) == list_few_shot(tmp_path / "nowhere") == []


@pytest.mark.parametrize("content", ["", "[1]", '{"a": 1}', '[{"title": "x"}]', "[[]]", "3", "\x00"])
def test_examples_that_are_damaged(tmp_path: Path, content: str) -> None:
    (tmp_path / "broken.examples.json").write_text(content)
    with pytest.raises(InputError, match=r"not readable as examples.*Remove it"):
        load_few_shot("broken", tmp_path)


def test_examples_are_plain_json(tmp_path: Path) -> None:
    save_few_shot(tmp_path, "good-ones", [Example("图书馆", "x", FULL, True)])
    (record,) = json.loads((tmp_path / "good-ones.examples.json").read_text())
    assert record["title"] == "图书馆"
    assert record["label"]["aliases"] == ["pastry", "Backen"]
