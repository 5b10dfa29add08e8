"""The report as a file: what it says, that no text of users is markup in it, and that it asks for nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import pytest

from lmtx.cli.main import main
from lmtx.errors import InputError
from lmtx.export import report as r
from lmtx.workspace import Workspace

EVIL = "<script>window.hit = 1</script><img src=http://x.y onerror=hit()> {{ 7 * 7 }} \" ' &"


class Elements(HTMLParser):
    """Names and attributes of all elements, and the text of the table's rows."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def elements(html: str) -> list[tuple[str, dict[str, str | None]]]:
    parser = Elements()
    parser.feed(html)
    return parser.found


def shown(name: str, *tags: tuple[str, float | None, bool | None]) -> r.ShownDocument:
    given = tuple(r.ShownTag(*tag) for tag in tags)
    return r.ShownDocument(name, name, "A text", given, (), "gold" if tags[0][2] is not None else "")


@pytest.fixture
def small() -> r.Report:
    figure = r.Figure("A tag is right", "of five", "gold", 0.5, 0.4, 0.6, 100, "test documents", 0.3)
    label = r.LabelLine(
        "a", EVIL, EVIL, EVIL, given=3, gold=4, found=2, right=1, value=0.5, low=0.1, high=0.9, n=2
    )
    return r.Report(
        name=EVIL,
        made=datetime(2026, 1, 2, 3, 4, tzinfo=UTC),
        corpus=[(EVIL, EVIL, EVIL)],
        titles=[EVIL],
        method=[EVIL],
        findings=[EVIL],
        figures=[figure],
        labels=[label],
        n_labels=1,
        documents=[r.ShownDocument("d", EVIL, EVIL, (r.ShownTag(EVIL, 0.9, False),), (EVIL,), "gold")],
        cost=[(EVIL, EVIL, EVIL)],
        facts=[(EVIL, EVIL, EVIL)],
        wanted=[r.Lost(EVIL, 1, 0.5, 0.1, 0.9)],
        funnel_of=EVIL,
    )


def test_what_users_wrote_is_never_markup(small: r.Report) -> None:
    html = r.render(small)
    found = elements(html)
    assert sum(tag == "script" for tag, _ in found) == 1  # its own
    assert not [
        tag for tag, _ in found if tag in ("img", "link", "iframe", "object", "embed", "form", "base")
    ]
    assert not [a for _, attrs in found for a in attrs if a.startswith("on")]
    assert "{{ 7 * 7 }}" in html
    assert "49 " not in html
    assert html.count("&lt;script&gt;") >= 15


def test_it_asks_for_nothing_and_forbids_itself_to(small: r.Report) -> None:
    html = r.render(small)
    policy = next(a["content"] for t, a in elements(html) if a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert policy.startswith("default-src 'none'")
    assert all((a.get("href") or "#").startswith("#") for _, a in elements(html))
    assert not re.search(r"@import|url\(", html)


def test_a_label_set_too_large_for_a_table_shows_what_occurs_most(
    small: r.Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(r, "MOST_LABELS", 3)
    labels = [r.LabelLine(str(i), f"label {i}", given=i) for i in range(10)]
    html = r.render(replace(small, labels=labels, n_labels=10))
    assert "The 3 of 10 labels that occur most." in html
    assert "label 9<" in html
    assert "label 6<" not in html


def test_seven_hundred_labels_stay_below_a_megabyte(small: r.Report) -> None:
    text = "A definition of some length that says what the label means. " * 5
    labels = [
        r.LabelLine(
            str(i), f"A label {i}", "Above › Below", r.definition(text), 9, 1, 2, 3, 4, 5, 2, 0.5, 0.1, 0.9, 7
        )
        for i in range(700)
    ]
    html = r.render(replace(small, labels=labels, n_labels=700))
    assert 100_000 < len(html.encode()) < 1_000_000


def test_it_is_written_whole_or_not_at_all(
    small: r.Report, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "report.html"
    r.write_report(small, out)
    before = out.read_text(encoding="utf-8")

    def fail(report: r.Report) -> str:
        raise RuntimeError("in the middle")

    monkeypatch.setattr(r, "render", fail)
    with pytest.raises(RuntimeError):
        r.write_report(small, out)
    assert out.read_text(encoding="utf-8") == before
    assert [p.name for p in tmp_path.iterdir()] == ["report.html"]
    with pytest.raises(InputError, match="existing folder"):
        r.write_report(small, tmp_path / "nowhere" / "report.html")


def test_a_text_that_is_no_utf8_is_written_all_the_same(small: r.Report, tmp_path: Path) -> None:
    r.write_report(replace(small, name="half \ud83d pair"), tmp_path / "report.html")
    assert "half ? pair" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_examples_are_sure_and_right_of_different_labels_and_one_is_wrong() -> None:
    found = [
        shown("likely", ("a", 0.9, True), ("b", 0.9, True)),
        shown("alike", ("a", 0.8, True)),
        shown("apart", ("c", 0.6, True)),
        shown("unsure", ("d", 0.2, True)),
        shown("wrong", ("e", 0.9, False), ("a", 0.9, True)),
        shown("less wrong", ("f", 0.5, False)),
    ]
    assert [d.title for d in r.examples(found)] == ["likely", "apart", "wrong"]
    assert [d.title for d in r.examples(found[::-1])] == ["likely", "apart", "wrong"]
    assert [d.title for d in r.examples(found[:2])] == ["likely", "alike"]
    unknown = [shown("x", ("a", 0.3, None)), shown("y", ("b", 0.4, None))]
    assert [d.title for d in r.examples(unknown)] == ["y", "x"]
    assert r.examples([]) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("transformers:/home/ada/models/qwen,top_k=3", "transformers:qwen,top_k=3"),
        ("transformers:~/models/qwen.gguf", "transformers:qwen.gguf"),
        (r"transformers:C:\models\qwen", "transformers:qwen"),
        ("openai:m,base_url=http://127.0.0.1:8000/v1", "openai:m,base_url=http://127.0.0.1:8000/v1"),
        ("simulated:recall=0.85", "simulated:recall=0.85"),
        ("transformers:Qwen/Qwen3-4B,top_k=3", "transformers:Qwen/Qwen3-4B,top_k=3"),
        ('{"encoder": "/srv/models/e5"}', '{"encoder": "e5"}'),
    ],
)
def test_folders_are_left_out(text: str, said: str) -> None:
    assert r.without_folders(text) == said


def test_the_report_of_a_reviewed_workspace_has_both_truths(
    copied: Callable[[], Workspace], tmp_path: Path
) -> None:
    workspace = copied()
    out = workspace.report(tmp_path / "report.html")
    html = out.read_text(encoding="utf-8")
    figures = workspace.evaluate()
    report = workspace.precision_report()
    assert report is not None
    assert report.precision.value is not None
    assert f"{100 * figures['P@1']:.1f}\u202f%" in html
    assert f"{100 * report.precision.value:.1f}\u202f%" in html
    assert ">gold</span>" in html
    assert ">reviewed</span>" in html
    assert html.count('<tr><td class="name"') == len(workspace._parts.labels_by_id())
    run = workspace.journal.promoted()
    assert run is not None
    for fact in (run.id, run.fingerprint, workspace.journal.id, "numpy ", "Seed"):
        assert fact in html
    assert "Ada" not in re.sub(r"<article.*?</article>", "", html, flags=re.S)  # no reviewer by name
    assert str(workspace.folder.parent) not in html
    # Test documents alone were ranked: how often a label is given is not known yet.
    assert ">Given<" not in html
    workspace.tag_corpus()
    assert ">Given<" in workspace.report(out).read_text(encoding="utf-8")


def test_a_workspace_where_nothing_happened_yet_says_so(tmp_path: Path) -> None:
    with Workspace.create(tmp_path / "w", "Empty") as workspace:
        html = workspace.report(tmp_path / "report.html").read_text(encoding="utf-8")
    assert "No teacher has been asked yet." in html
    assert "Nothing is trained yet, so there is nothing to measure." in html


def test_the_command_writes_it_and_says_where(
    copied: Callable[[], Workspace], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = copied().folder
    out = tmp_path / "report.html"
    with pytest.raises(SystemExit) as end:
        main(["--workspace", str(folder), "-q", "report", "--html", str(out), "--json"])
    assert end.value.code == 0
    assert json.loads(capsys.readouterr().out) == {"html": str(out), "bytes": out.stat().st_size}
    with pytest.raises(SystemExit) as end:
        main(["--workspace", str(folder), "-q", "report", "--html", str(tmp_path / "no" / "report.html")])
    assert end.value.code == 2
    assert "existing folder" in capsys.readouterr().err
