from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmtx.errors import InputError, TeacherSpecError
from lmtx.teacher import TEACHERS, TeacherContext
from lmtx.teacher.registry import load_teacher, parse_spec
from lmtx.teacher.spec import TeacherSpec

KNOWN = {kind.name: kind.parameters for kind in TEACHERS}
WITH_MODEL = [kind.name for kind in TEACHERS if kind.has_model]

_plain = st.characters(codec="utf-8", exclude_characters=",=", exclude_categories=("Cc", "Cs", "Z"))
_values = st.text(_plain, min_size=1, max_size=20)


@st.composite
def _specs(draw: st.DrawFn) -> TeacherSpec:
    kind = draw(st.sampled_from(sorted(KNOWN)))
    model = draw(_values) if kind in WITH_MODEL else ""
    given = draw(st.dictionaries(st.sampled_from(KNOWN[kind]), _values)) if KNOWN[kind] else {}
    return TeacherSpec(kind, model, given)


@given(_specs())
@settings(max_examples=200, deadline=None)
def test_what_is_written_is_read_back(spec: TeacherSpec) -> None:
    read = parse_spec(str(spec))
    assert (read.kind, read.model, dict(read.values)) == (spec.kind, spec.model, dict(spec.values))
    assert str(parse_spec(str(read))) == str(read)


@given(st.text(max_size=60))
@settings(max_examples=300, deadline=None)
def test_whatever_is_typed_is_a_specification_or_an_error_for_the_user(text: str) -> None:
    for typed in (text, f"openai:{text}", f"cross-encoder:m,{text}"):
        try:
            read = parse_spec(typed)
        except TeacherSpecError:
            continue
        assert str(parse_spec(str(read))) == str(read)


@pytest.mark.parametrize(
    ("typed", "canonical"),
    [
        ("evidence", "evidence"),
        ("  evidence:  ", "evidence"),
        ("simulated:seed=4, recall = 0.9", "simulated:recall=0.9,seed=4"),
        ("simulated:recall=,seed=1,", "simulated:seed=1"),
        (
            "openai:llama3.2:3b,price_in=0.1,base_url=http://127.0.0.1:1/v1?a=b",
            "openai:llama3.2:3b,base_url=http://127.0.0.1:1/v1?a=b,price_in=0.1",
        ),
        ("transformers:/models/x.gguf,mode=plain,strategy=logits", None),
        ("cross-encoder:a/b,scale=2,offset=-1", "cross-encoder:a/b,offset=-1,scale=2"),
    ],
)
def test_canonical(typed: str, canonical: str | None) -> None:
    expected = canonical or "transformers:/models/x.gguf,strategy=logits,mode=plain"
    assert str(parse_spec(typed)) == expected
    assert str(parse_spec(expected)) == expected


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("", "unknown. Known: .*evidence"),
        ("gpt", "unknown. Known: .*openai"),
        ("openai", "no model named. Write openai:MODEL"),
        ("openai:", "no model named"),
        ("openai: ,base_url=http://x", "no model named"),
        ("transformers:strategy=official", "no model named"),
        ("evidence:recall=1", "'recall=1' is not understood.*none"),
        ("simulated:recal=0.9", "'recal=0.9' is not understood.*recall, noise, seed, bias"),
        ("simulated:0.9", "'0.9' is not understood"),
        ("simulated:recall=0.9,recall=0.8", "'recall=0.8' is not understood.*each once"),
        ("openai:m,temperature=1", "temperature=1' is not understood.*Keys of services come from the env"),
    ],
)
def test_what_is_wrong_is_said(typed: str, message: str) -> None:
    with pytest.raises(TeacherSpecError, match=message) as caught:
        parse_spec(typed)
    assert isinstance(caught.value, InputError)


@pytest.mark.parametrize(
    "typed",
    [
        "openai:m,api_key=HUSH",
        "openai:m,apikey=HUSH",
        "openai:m,token=HUSH",
        "openai:m,password=HUSH",
        "openai:m,authorization=Bearer HUSH",
        "openai:m,sk-HUSH",
        "openai:m,SK-HUSH",
        "openai:m,model=sk-HUSH",
        "openai:m,x y sk-HUSH=1",
        "openai:m,url=http://me:HUSH@host/v1",
        "opnai:m, sk-HUSH",
        "opnai:m,api_key=HUSH",
        "sk-HUSH",
        "opnai:sk-HUSH",
        "opnai:m,base_url=http://me:HUSH@host/v1",
        "simulated:seed=sk-HUSH",
        "simulated:bias=sk-HUSH",
        "simulated:seed=http://me:HUSH@host",
    ],
)
def test_what_may_be_a_secret_is_not_repeated(typed: str) -> None:
    with pytest.raises(TeacherSpecError) as caught:
        load_teacher(typed, TeacherContext(gold=dict))
    assert "HUSH" not in str(caught.value)


@pytest.mark.parametrize("name", ["key_env", "document_tokens", "max_tokens"])
def test_names_that_only_sound_like_secrets_are_shown(name: str) -> None:
    with pytest.raises(TeacherSpecError, match=f"'{name}=12' is not understood"):
        parse_spec(f"openai:m,{name}=11,{name}=12")


def test_long_values_are_not_repeated_whole() -> None:
    with pytest.raises(TeacherSpecError) as caught:
        parse_spec("openai:m,x=" + "a" * 5000)
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize("value", ["-0.1", "1.1", "nan", "inf", "-inf", "much", "0,5"])
def test_numbers_out_of_range(value: str) -> None:
    with pytest.raises(TeacherSpecError, match=r"expected a number from 0 to 1|is not understood"):
        parse_spec(f"simulated:recall={value}").number("recall", 0.85, 0, 1)


@pytest.mark.parametrize("value", ["15", "1001", "64.0", "1e2", "many", "nan"])
def test_whole_numbers_out_of_range(value: str) -> None:
    spec = parse_spec(f"transformers:m,document_tokens={value}")
    with pytest.raises(TeacherSpecError, match="expected a whole number from 16 to 1000"):
        spec.integer("document_tokens", 512, 16, 1000)


def test_values_and_defaults() -> None:
    spec = parse_spec("simulated:recall=0.5,seed=3,bias=label")
    assert spec.number("recall", 0.85, 0, 1) == 0.5
    assert spec.number("noise", 0.05, 0, 1) == 0.05
    assert spec.integer("seed", 0, 0, 10) == 3
    assert spec.choice("bias", ("none", "label")) == "label"
    assert parse_spec("simulated").choice("bias", ("none", "label")) == "none"
    assert spec.text("missing", "x") == "x"
    with pytest.raises(TeacherSpecError, match="expected none or document"):
        spec.choice("bias", ("none", "document"))


def test_with_values() -> None:
    spec = parse_spec("openai:m,strategy=pairwise,price_in=1")
    changed = spec.with_values(price_in=None, base_url="http://x", strategy="")
    assert str(parse_spec(str(changed))) == "openai:m,base_url=http://x"
    assert str(spec) == "openai:m,strategy=pairwise,price_in=1"
