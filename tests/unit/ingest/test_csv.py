"""CSV: quotes, ragged rows, separators, long cells."""

from __future__ import annotations

import csv
import io
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmtx.errors import InputError
from lmtx.ingest import Issue, UploadedBytes, preview, read_documents, read_rows, stop_on_error
from lmtx.ingest.delimited import guess_delimiter
from lmtx.ingest.records import MAX_RECORD_CHARS, MAX_TEXT_CHARS


def read(text: str | bytes, name: str = "a.csv") -> tuple[dict[str, str], list[Issue]]:
    issues: list[Issue] = []
    data = text if isinstance(text, bytes) else text.encode()
    documents = list(read_documents(UploadedBytes(name, data), on_issue=issues.append))
    return {d.id: d.text for d in documents}, issues


def test_a_quote_never_closed_costs_one_row() -> None:
    rows = [f'{i},"text number {i}, and more"' for i in range(50)]
    rows[10] = '10,"text whose quote is never closed'
    found, issues = read("id,text\n" + "\n".join(rows))
    assert set(found) == {str(i) for i in range(50)} - {"10"}
    assert [(i.row, i.severity) for i in issues] == [(12, "error")]
    assert "quotation mark opens" in issues[0].message
    assert issues[0].value == "text whose quote is never closed"


def test_a_quote_open_until_the_end_of_the_file() -> None:
    rows = [f"{i},plain text number {i}" for i in range(50)]
    rows[20] = '20,"opened'
    found, issues = read("id,text\n" + "\n".join(rows))
    assert set(found) == {str(i) for i in range(50)} - {"20"}
    assert [i.row for i in issues] == [22]


def test_a_quote_open_over_more_than_is_kept_in_memory() -> None:
    n = MAX_RECORD_CHARS // 40
    rows = [f"{i},plain text number {i} with some more words" for i in range(n)]
    rows[5] = '5,"opened'
    found, issues = read("id,text\n" + "\n".join(rows))
    assert len(found) == n - 1
    assert [i.row for i in issues] == [7]


def test_a_file_cut_off_within_a_quoted_text() -> None:
    found, issues = read('id,text\n1,"first"\n2,"a text\nof several lines\nthat is cut')
    assert found == {"1": "first"}
    assert [i.row for i in issues] == [3]
    assert "3 lines" in issues[0].message


def test_a_quote_not_doubled() -> None:
    found, issues = read('id,text\n1,"she said "hello" to me"\n2,"fine"\n')
    assert found == {"2": "fine"}
    assert [i.row for i in issues] == [2]


def test_many_unclosed_quotes_take_linear_time() -> None:
    def seconds(n: int) -> float:
        data = "id,text\nfirst,row\n" + "".join(f'{i},"open {i}\n' for i in range(n))
        start = time.process_time()
        found, issues = read(data)
        assert (len(found), len(issues)) == (1, n)
        return time.process_time() - start

    seconds(100)
    assert seconds(8_000) < 12 * seconds(2_000) + 0.5


def test_quotes_that_close_and_open_on_every_line_take_linear_time() -> None:
    def seconds(n: int) -> float:
        data = 'id,text\nfirst,row\na,"b\n' + 'c","d\n' * n + "last,row\n"
        start = time.process_time()
        found, issues = read(data)
        assert set(found) >= {"first", "last"}
        assert len(issues) >= n
        return time.process_time() - start

    seconds(100)
    assert seconds(8_000) < 12 * seconds(2_000) + 0.5


def test_long_texts_after_an_unclosed_quote_are_kept() -> None:
    long = "\n".join(f"paragraph {i}, with more" for i in range(40))
    found, issues = read(f'id,text\n1,"open\n2,plain\n3,"{long}"\n4,"{long} too"\n')
    assert found == {"2": "plain", "3": long, "4": f"{long} too"}
    assert [i.row for i in issues] == [2]


def test_quoted_cells_may_hold_separators_quotes_and_lines() -> None:
    found, issues = read('id,text\n1,"a, ""b""\nc"\n2,d\n')
    assert found == {"1": 'a, "b"\nc', "2": "d"}
    assert issues == []


def test_rows_with_too_many_or_too_few_cells() -> None:
    found, issues = read("id,text,extra\n1,a,b\n2,b,b,c\n3,c\n4,d,b,,\n\n5,,x\n")
    assert found == {"1": "a", "3": "c", "4": "d"}
    assert [(i.row, i.severity) for i in issues] == [(3, "error"), (4, "warning"), (7, "error")]
    assert "4 cells, but the header has 3" in issues[0].message


def test_duplicates_name_the_first_row() -> None:
    found, issues = read("id,text\nx,one text\ny,two\nx,three\nz,one text\n")
    assert found == {"x": "one text", "y": "two", "z": "one text"}
    assert [(i.row, i.column, i.severity) for i in issues] == [(4, "id", "error"), (5, "text", "warning")]
    assert "first at row 2" in issues[0].message
    assert str(issues[0]).startswith("a.csv row 4, column 'id': duplicate id")


def test_stop_on_error_stops() -> None:
    source = UploadedBytes("a.csv", b"id,text\nx,one\ny,\nz,three\n")
    rows = read_documents(source, on_issue=stop_on_error)
    assert next(rows).id == "x"
    with pytest.raises(InputError, match=r"a.csv row 3, column 'text': the text is empty"):
        next(rows)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_separator_is_guessed(delimiter: str) -> None:
    header = delimiter.join(["id", "text", "labels"])
    row = delimiter.join(["1", '"one, two; three | four"', "x"])
    found, issues = read(f"{header}\n{row}\n")
    assert found == {"1": "one, two; three | four"}
    assert issues == []
    assert guess_delimiter([header, row]) == delimiter


def test_excels_separator_line_is_not_a_row() -> None:
    found, _ = read("sep=;\r\nid;text\r\n1;a,b\r\n")
    assert found == {"1": "a,b"}


def test_header_oddities() -> None:
    shown = preview(UploadedBytes("a.csv", b"id,text,text,\n1,first,second,x\n"), "corpus")
    assert shown.columns == ["id", "text", "text (3)", "column 4"]
    assert [i.row for i in shown.issues] == [1]
    with pytest.raises(InputError, match="no header"):
        read("\n\n\n")
    with pytest.raises(InputError, match="no usable rows"):
        read("id,text\n")


def test_a_missing_header_is_noticed() -> None:
    shown = preview(UploadedBytes("a.csv", ("word " * 40 + "\n" + "other " * 40).encode()), "corpus")
    assert any("looks like data" in i.message for i in shown.issues)


@pytest.mark.parametrize("quoted", [False, True])
@pytest.mark.parametrize("lines", [False, True])
def test_a_cell_of_many_megabytes(quoted: bool, lines: bool) -> None:
    if lines and not quoted:
        pytest.skip("only a quoted cell holds lines")
    cell = ("word and word\n" if lines else "word and word ") * 1_500_000
    cell = f'"{cell}"' if quoted else cell
    start = time.process_time()
    found, issues = read(f"id,text\n1,before\n2,{cell}\n3,after\n")
    assert found == {"1": "before", "3": "after"}
    assert [i.row for i in issues] == [3]
    assert "characters" in issues[0].message
    assert len(str(issues[0])) < 500
    assert time.process_time() - start < 10


def test_a_text_just_too_long() -> None:
    found, issues = read(f"id,text\n1,{'a' * MAX_TEXT_CHARS}\n2,{'a' * (MAX_TEXT_CHARS + 1)}\n")
    assert set(found) == {"1"}
    assert "2,000,001 characters" in issues[0].message


def test_nul_and_broken_utf8_in_later_rows() -> None:
    rows = [b"%d,plain words in row %d" % (i, i) for i in range(5000)]
    rows[4000] = b"4000,with \0 nul"
    rows[4500] = b"4500,half a caf\xc3 character"
    rows[100] = "100,proper: éàüößñøåç".encode()
    found, issues = read(b"id,text\n" + b"\n".join(rows))
    assert [(i.row, i.severity) for i in issues] == [(4002, "error"), (4502, "warning")]
    assert found["4500"] == "half a caf\ufffd character"
    assert "4000" not in found


cells = st.text(st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from('",;\n|\t'), max_size=30)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(cells, cells), min_size=1, max_size=8), st.sampled_from([",", "\t"]))
def test_what_csv_writes_is_read_back(rows: list[tuple[str, str]], delimiter: str) -> None:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, quoting=csv.QUOTE_ALL)
    writer.writerow(["first", "text"])
    writer.writerows(rows)
    name = "a.csv" if delimiter == "," else "a.tsv"
    source = UploadedBytes(name, out.getvalue().encode())
    back = list(read_rows(source, on_issue=pytest.fail))
    expected = [{"first": a.strip().lstrip("\ufeff"), "text": b.strip().lstrip("\ufeff")} for a, b in rows]
    kept = [row for row, (a, b) in zip(expected, rows, strict=True) if a or b]
    assert [row for _, row in back] == kept
