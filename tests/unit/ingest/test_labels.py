"""Labels, SKOS and the guessing of columns."""

from __future__ import annotations

from pathlib import Path

import pytest
from rdflib import Graph

from lmtx.errors import InputError
from lmtx.ingest import ColumnMap, Issue, UploadedBytes, preview, read_documents, read_labels
from lmtx.ingest.labels import slug
from lmtx.types import Label

FIXTURES = Path(__file__).parents[2] / "fixtures" / "ingest"


def read(source: Path | UploadedBytes, columns: ColumnMap | None = None) -> tuple[list[Label], list[Issue]]:
    issues: list[Issue] = []
    return list(read_labels(source, columns, on_issue=issues.append)), issues


def test_german_labels() -> None:
    labels, issues = read(FIXTURES / "german" / "schlagworte.csv")
    assert issues == []
    assert len(labels) == 8
    assert labels[2] == Label(
        "verkehr", "Verkehr", "Wege für Menschen und Güter", ("Mobilität", "Transport"), ("Stadtplanung",)
    )
    named = {name for d in read_documents_of("german/korpus.csv") for name in d.labels or ()}
    assert named == {label.name for label in labels}


def test_chinese_labels() -> None:
    labels, issues = read(FIXTURES / "chinese" / "labels.csv")
    assert issues == []
    assert labels[0] == Label("交通", "交通", "道路、车辆和出行", ("运输", "出行"), ())
    named = {name for d in read_documents_of("chinese/corpus.jsonl") for name in d.labels or ()}
    assert named == {label.name for label in labels}


def read_documents_of(path: str):  # type: ignore[no-untyped-def]
    return read_documents(FIXTURES / path, on_issue=pytest.fail)


@pytest.mark.parametrize("format", ["turtle", "xml", "nt"])
def test_skos(format: str) -> None:
    path = FIXTURES / "german" / "schlagworte.ttl"
    graph = Graph().parse(path)
    suffix = {"turtle": "ttl", "xml": "rdf", "nt": "nt"}[format]
    labels, issues = read(UploadedBytes(f"s.{suffix}", graph.serialize(format=format).encode()))
    base = "http://example.org/schlagwort/"
    assert {label.id.removeprefix(base): label for label in labels} == {
        "stadt": Label(base + "stadt", "Stadtplanung", "Was eine Stadt baut und ordnet.", ("Städtebau",), ()),
        "verkehr": Label(base + "verkehr", "Verkehr", "", ("Mobilität", "Transport"), (base + "stadt",)),
        "radweg": Label(base + "radweg", "Radwege", "Wege nur für Fahrräder.", (), (base + "verkehr",)),
        "wald": Label(base + "wald", "Forest"),
    }
    assert sorted((i.severity, i.column) for i in issues) == [
        ("error", "name"),
        ("warning", "name"),
        ("warning", "parents"),
    ]


def test_bad_labels() -> None:
    rows = "id,name,parents\nL1,Fish,\nL1,Birds,\nL2,,\n,Trees,\nL3,fish,L3|L1\n"
    labels, issues = read(UploadedBytes("labels.csv", rows.encode()))
    assert [(label.id, label.parents) for label in labels] == [("L1", ()), ("L3", ("L1",))]
    assert [(i.row, i.column, i.severity) for i in issues] == [
        (3, "id", "error"),
        (4, "name", "error"),
        (5, "id", "error"),
        (6, "name", "warning"),
    ]
    assert str(issues[0]).startswith(
        "labels.csv row 3, column 'id': duplicate label id 'L1' (first at row 2). Remove one or rename it."
    )


def test_duplicate_names_without_ids() -> None:
    labels, issues = read(UploadedBytes("l.txt", b"Fish\nfish\nBirds\n"))
    assert [label.name for label in labels] == ["Fish", "Birds"]
    assert [(i.row, i.severity) for i in issues] == [(2, "error")]


def test_slug() -> None:
    assert slug("Machine  learning") == "machine-learning"
    assert slug("Ernährung") == "ernährung"
    assert slug("饮食") == "饮食"
    assert len({slug(name) for name in ("C", "C++", "C#", "!!!", "???")}) == 5
    assert len(slug("long name " * 90)) < 100


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (
            "doc_id,Headline,Body,Set,Tags",
            {"id": "doc_id", "title": "Headline", "text": "Body", "split": "Set"},
        ),
        ("Kennung,Titel,Volltext,Aufteilung,Schlagwörter", {"id": "Kennung", "text": "Volltext"}),
        ("identifiant,titre,résumé,x,mots-clés", {"title": "titre", "text": "résumé", "labels": "mots-clés"}),
        ("编号,标题,正文,划分,主题词", {"id": "编号", "title": "标题", "text": "正文", "labels": "主题词"}),
        (
            "المعرف,العنوان,النص,x,وسوم",
            {"id": "المعرف", "title": "العنوان", "text": "النص", "labels": "وسوم"},
        ),
        ("title,a,b,c,d", {"title": "title", "text": "b"}),
    ],
)
def test_columns_are_guessed_by_name_and_content(header: str, expected: dict[str, str]) -> None:
    long = "a longer text with a good many words in it"
    data = f"{header}\n1,short,{long},train,a|b\n2,brief,{long} too,test,a\n"
    shown = preview(UploadedBytes("a.csv", data.encode()), "corpus")
    assert shown.guessed.model_dump() | expected == shown.guessed.model_dump()


def test_columns_can_be_mapped() -> None:
    data = b"id,title,text,other\n1,head,body text,the other text\n"
    source = UploadedBytes("a.csv", data)
    columns = ColumnMap(text="other", title="", id="")
    documents = list(read_documents(source, columns, on_issue=pytest.fail))
    assert [(d.title, d.text) for d in documents] == [("", "the other text")]
    assert documents[0].id != "1"
    with pytest.raises(
        InputError, match=r"a.csv: there is no column 'none' for text. Columns: 'id', 'title'"
    ):
        list(read_documents(source, ColumnMap(text="none"), on_issue=pytest.fail))
    with pytest.raises(InputError, match=r"no column for the text. Say which"):
        list(read_documents(source, ColumnMap(text="", title=""), on_issue=pytest.fail))


def test_the_guessed_map_reads_the_same() -> None:
    for path in ("german/korpus.csv", "chinese/corpus.jsonl", "rtl/document.txt"):
        source = FIXTURES / path
        shown = preview(source, "corpus")
        again = preview(source, "corpus", shown.guessed)
        assert again == shown
        assert list(read_documents(source, shown.guessed, on_issue=pytest.fail)) == shown.items


def test_titles_alone_are_texts() -> None:
    documents = list(read_documents(UploadedBytes("a.csv", b"id,title\n1,Only\n"), on_issue=pytest.fail))
    assert [(d.title, d.text) for d in documents] == [("", "Only")]


def test_preview_shows_the_first_rows_cut_and_counts_what_it_can() -> None:
    data = "id,text\n" + "".join(f"{i},{'x' * 1000}{i}\n" for i in range(1500))
    shown = preview(UploadedBytes("a.csv", data.encode()), "corpus")
    assert shown.n_rows is None
    assert len(shown.rows) == len(shown.items) == 20
    assert max(len(row["text"]) for row in shown.rows) == 300
    many = "id,text\n" + "1,same\n" * 500
    assert len(preview(UploadedBytes("a.csv", many.encode()), "corpus").issues) == 100
