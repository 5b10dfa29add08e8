"""JSON lines and JSON."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmtx.errors import InputError
from lmtx.ingest import Issue, UploadedBytes, read_documents
from lmtx.types import Document


def read(data: bytes, name: str = "a.jsonl") -> tuple[list[Document], list[Issue]]:
    issues: list[Issue] = []
    return list(read_documents(UploadedBytes(name, data), on_issue=issues.append)), issues


def test_bad_lines_are_named_and_left_out() -> None:
    lines = [
        b'{"id": 1, "text": "first"}',
        b"",
        b'{"id": 2, "text": ',
        b'["a list"]',
        b'{"id": 3, "text": null}',
        b'{"id": 4.0, "text": ["two", "paragraphs"]}',
        b"[" * 100_000,
        b'{"id": ' + b"9" * 5000 + b', "text": "huge number"}',
        b'{"id": "5", "text": "half a smile \\ud83d"}',
        b'{"id": 1, "text": "again"}',
    ]
    documents, issues = read(b"\n".join(lines))
    assert [(d.id, d.text) for d in documents] == [
        ("1", "first"),
        ("4", "two\nparagraphs"),
        ("5", "half a smile \ufffd"),
    ]
    assert [(i.row, i.severity) for i in issues] == [
        (3, "error"),
        (4, "error"),
        (5, "error"),
        (7, "error"),
        (8, "error"),
        (9, "warning"),
        (10, "error"),
    ]
    assert "first at row 1" in issues[-1].message
    for document in documents:
        document.text.encode()


def test_labels_in_every_shape() -> None:
    shapes: list[object] = [
        ["a", " b ", "a", "", None, 3.0],
        [{"id": "x1", "name": "X"}, {"name": "Y"}],
        {"a": 1, "b": 0},
        '["a", "b, c"]',
        "['a', \"b\"]",
        "a|b",
        "",
        None,
    ]
    lines = [json.dumps({"text": f"text {i}", "labels": shape}) for i, shape in enumerate(shapes)]
    documents, issues = read("\n".join(lines).encode())
    assert issues == []
    assert [d.labels for d in documents] == [
        ("a", "b", "3"),
        ("x1", "Y"),
        ("a",),
        ("a", "b, c"),
        ("a", "b"),
        ("a", "b"),
        (),
        (),
    ]


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["a;b", "c"], ("a", "b")),
        (["a, b", "c"], ("a", "b")),
        (["a|b;c", "c"], ("a", "b;c")),
        (["a；b", "c"], ("a", "b")),
        (["a b"], ("a b",)),
    ],
)
def test_label_separator_is_guessed(cells: list[str], expected: tuple[str, ...]) -> None:
    lines = [json.dumps({"text": f"text {i}", "labels": cell}) for i, cell in enumerate(cells)]
    documents, _ = read("\n".join(lines).encode())
    assert documents[0].labels == expected


def test_line_too_long() -> None:
    data = b'{"text": "' + b"x" * 30_000_000 + b'"}\n{"text": "after"}\n'
    documents, issues = read(b'{"text": "before"}\n' + data)
    assert [d.text for d in documents] == ["before", "after"]
    assert [i.row for i in issues] == [2]


def test_split_values() -> None:
    lines = [
        json.dumps({"text": f"t{i}", "split": s}) for i, s in enumerate(["Train", "TEST", None, "dev", "x"])
    ]
    documents, issues = read("\n".join(lines).encode())
    assert [d.split for d in documents] == ["train", "test", "train", "train"]
    assert [(i.row, i.column, i.value) for i in issues] == [(5, "split", "x")]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"[1, 2", r"a.json line 1: not valid JSON"),
        (b'{"text": "a"} x', r"ending in .jsonl"),
        (b"[" * 200_000, r"a.json.*too deeply nested|not valid JSON"),
        (b'"text"', r"got a string, expected a list"),
        (b"[]", r"no usable rows"),
        (b"{}", r"no usable rows"),
    ],
)
def test_unusable_json(data: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(data, "a.json")


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=60)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.fixed_dictionaries(
            {"id": st.uuids().map(str), "title": texts, "text": texts, "labels": st.lists(texts)}
        ),
        min_size=1,
        max_size=6,
        unique_by=lambda r: r["id"],
    ),
    st.booleans(),
)
def test_what_is_written_is_read_back(records: list[dict[str, object]], ascii_only: bool) -> None:
    data = "\n".join(json.dumps(r, ensure_ascii=ascii_only) for r in records).encode()
    documents, issues = read(data)

    def clean(value: object) -> str:
        return str(value).strip().lstrip("\ufeff")

    wanted = [r for r in records if clean(r["title"]) or clean(r["text"])]
    assert [d.id for d in documents] == [r["id"] for r in wanted]
    assert [(d.title, d.text) for d in documents] == [(clean(r["title"]), clean(r["text"])) for r in wanted]
    assert all(i.severity == "warning" for i in issues if "empty" not in i.message)
