from __future__ import annotations

import pytest

from lmtx.errors import TeacherError
from lmtx.teacher import TEACHERS, SimulatedTeacher, TeacherContext, load_teacher, teacher_key


@pytest.mark.parametrize(
    ("spec", "canonical"),
    [
        ("evidence", "evidence"),
        (" evidence ", "evidence"),
        ("simulated", "simulated:recall=0.85,noise=0.05,seed=0"),
        ("simulated: noise=0, recall=.9", "simulated:recall=0.9,noise=0,seed=0"),
        ("simulated:bias=label,seed=3", "simulated:recall=0.85,noise=0.05,seed=3,bias=label"),
        ("simulated:bias=none", "simulated:recall=0.85,noise=0.05,seed=0"),
    ],
)
def test_specs_have_one_canonical_form(spec: str, canonical: str, context: TeacherContext) -> None:
    teacher = load_teacher(spec, context)
    assert teacher.spec == canonical
    again = load_teacher(teacher.spec, context)
    assert (again.spec, again.key) == (teacher.spec, teacher.key)


def test_every_listed_teacher_loads(context: TeacherContext) -> None:
    for kind in (k for k in TEACHERS if not k.has_model):
        assert load_teacher(kind.spec, context).is_llm is kind.is_llm


@pytest.mark.parametrize("spec", ["", "gpt", "Evidence!", "transformers", "openai: "])
def test_unknown_teachers_list_the_known(spec: str, context: TeacherContext) -> None:
    with pytest.raises(TeacherError, match=r"Known: .*evidence.*simulated|no model named"):
        load_teacher(spec, context)


@pytest.mark.parametrize(
    "spec",
    [
        "simulated:recal=1",
        "simulated:recall",
        "simulated:recall=a",
        "simulated:recall=1,recall=1",
        "simulated:recall=1.5",
        "simulated:recall=nan",
        "simulated:seed=1.5",
        "simulated:bias=document",
        "evidence:top=3",
    ],
)
def test_malformed_parameters_name_the_spec_or_the_value(spec: str, context: TeacherContext) -> None:
    with pytest.raises(TeacherError, match=r"teacher '"):
        load_teacher(spec, context)


def test_keys_differ_in_every_parameter(context: TeacherContext) -> None:
    variants = [{}, {"recall": 0.8}, {"noise": 0.06}, {"seed": 1}, {"bias": "label"}]
    keys = {SimulatedTeacher(context, **v).key for v in variants}  # type: ignore[arg-type]
    assert len(keys) == len(variants)


def test_teacher_key_covers_all_its_parts_and_not_their_order() -> None:
    base = {"model": "m", "prompt": "p", "decoding": {"a": 1, "b": [2]}, "label_text": "v1"}
    key = teacher_key(**base)  # type: ignore[arg-type]
    assert key == teacher_key(model="m", prompt="p", decoding={"b": [2], "a": 1}, label_text="v1")
    assert len(key) == 32
    for name, value in (("model", "n"), ("prompt", "q"), ("decoding", {"a": 1}), ("label_text", "v2")):
        assert teacher_key(**{**base, name: value}) != key  # type: ignore[arg-type]
    with pytest.raises(TeacherError, match="JSON"):
        teacher_key(model="m", prompt="p", decoding={"a": object()}, label_text="v")
