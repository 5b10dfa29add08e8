from __future__ import annotations

import logging
import threading
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lmtx.errors import JobCancelled, TeacherError, TeacherSpecError
from lmtx.journal import Journal
from lmtx.teacher import (
    Budget,
    JudgeReport,
    Teacher,
    TeacherContext,
    TeacherRequest,
    ask,
    judge,
    load_teacher,
    preview,
)
from lmtx.teacher.address import Address, Scrubber, check_key_env
from lmtx.teacher.approximate import count, cut
from lmtx.teacher.discovery import find_servers, try_connection
from lmtx.teacher.endpoint import EndpointTeacher
from lmtx.teacher.parsing import chosen, spread
from lmtx.teacher.prompts import Example, save_few_shot
from lmtx.teacher.wire import Patience
from lmtx.types import CorpusView, Document, IntArray, Label
from tests.unit.teacher.conftest import made_up
from tests.unit.teacher.misbehaving import READ, WRITTEN, Asked, Behaviour, Misbehaving

KEY = "sk-planted-Zq8/tr+Vw31kd0"
QUICK = Patience(attempts=4, first=0.01, longest=0.05, total=3.0)
STRATEGIES = ("logprobs", "questions", "listwise", "official")
N_DOCS, K = 18, 4


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "LMTX_API_KEY",
        "OPENAI_API_KEY",
        "OPENAI_BASE_URL",
        "OPENAI_CUSTOM_HEADERS",
        "OPENAI_ORG_ID",
    ):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def corpus() -> CorpusView:
    """Smaller than that of the other tests here: each pair is a request."""
    documents, labels = made_up(24, 20)
    return CorpusView(documents, labels, ["test" if d.split == "test" else "train" for d in documents])


@pytest.fixture
def view(journal: Journal) -> CorpusView:
    return journal.corpus()


@pytest.fixture
def rows(view: CorpusView) -> IntArray:
    return view.rows("train")[:N_DOCS].astype(np.int32)


@pytest.fixture
def shortlist(view: CorpusView, rows: IntArray) -> IntArray:
    rng = np.random.default_rng(2)
    found = []
    for i in rows:
        gold = [view.label_idx[x] for x in view.documents[int(i)].labels or ()]
        other = [j for j in rng.permutation(len(view.labels)) if j not in gold]
        found.append(rng.permutation([*gold, *other[: K - len(gold)]]))
    return np.array(found, dtype=np.int32)


def made(
    server: Misbehaving | str,
    strategy: str = "logprobs",
    context: TeacherContext | None = None,
    *,
    patience: Patience = QUICK,
    **more: object,
) -> EndpointTeacher:
    url = server if isinstance(server, str) else server.base_url
    values = "".join(f",{k}={v}" for k, v in more.items())
    spec = f"openai:m,base_url={url}" + (f",strategy={strategy}" if strategy else "") + values
    teacher = load_teacher(spec, context or TeacherContext())
    assert isinstance(teacher, EndpointTeacher)
    return teacher.with_patience(patience)


def truth(view: CorpusView, rows: IntArray, shortlist: IntArray) -> dict[tuple[str, str], str]:
    return {
        (document.id, label.id): "yes" if label.name in document.text.split() else "no"
        for document, row in zip((view.documents[int(i)] for i in rows), shortlist, strict=True)
        for label in (view.labels[j] for j in row)
    }


def stored(journal: Journal, teacher: Teacher) -> dict[tuple[str, str], str]:
    frame = journal.pairs_frame(teacher_key=teacher.key)
    return {(r.document_id, r.label_id): r.verdict for r in frame.itertuples()}


def first_time(what: str, every: int = 4) -> Behaviour:
    """Does this to every n-th document, or pair, the first time it is asked."""
    seen: set[str] = set()
    lock = threading.Lock()

    def behave(asked: Asked) -> str:
        with lock:
            which = repr(asked.pairs())
            if which in seen or not asked.document:
                return "ok"
            seen.add(which)
            return what if len(seen) % every == 1 else "ok"

    return behave


def always(what: str, *titles: str) -> Behaviour:
    """Does this to some documents whenever they are asked, to all where none is named."""
    return lambda asked: what if not titles or asked.document in titles else "ok"


def titles(view: CorpusView, rows: IntArray) -> tuple[str, ...]:
    return tuple(view.documents[int(i)].title for i in rows)


def check_sums(report: JudgeReport, journal: Journal, teacher: Teacher, n: int, before: int = 0) -> None:
    """Nothing lost, nothing invented, of `n` pairs asked where `before` were judged."""
    assert report.n_judged + report.n_failed == n
    assert report.n_pairs == report.n_judged + report.n_failed + report.n_cached
    written = journal.recent_judgments(1_000_000, teacher.key)
    assert len(written) == len(stored(journal, teacher)) == before + report.n_judged


# ---- a server that behaves ----------------------------------------------------------------------


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_right_answers_with_exact_sums(
    strategy: str, journal: Journal, view: CorpusView, rows: IntArray, shortlist: IntArray
) -> None:
    with Misbehaving(always("late"), typed=True) as server:
        teacher = made(server, strategy, price_in=2, price_out=10)
        before = preview(journal, teacher, view, shortlist, rows)
        assert not server.asked
        report = judge(journal, teacher, view, shortlist, rows)
        assert judge(journal, teacher, view, shortlist, rows).n_judged == 0
    assert stored(journal, teacher) == truth(view, rows, shortlist)
    n = N_DOCS * K
    calls = N_DOCS if strategy in ("questions", "listwise") else n
    written = 0 if strategy == "questions" else WRITTEN
    assert (report.n_judged, report.n_failed, report.n_unparsed) == (n, 0, 0)
    assert len(server.chats()) == calls
    assert (report.tokens, report.tokens_out) == (calls * (READ + written), calls * written)
    assert report.cost == pytest.approx(calls * (READ * 2 + written * 10) / 1e6)
    frame = journal.pairs_frame(teacher_key=teacher.key)
    assert frame["probability"].notna().all() == (strategy in ("questions", "logprobs"))
    assert before.n_open == n
    assert before.estimate.tokens_in > 0
    assert not before.estimate.exact
    assert 0.3 < before.estimate.tokens_in / (calls * READ) < 8
    assert before.estimate.cost_low <= before.estimate.cost_high


def test_listwise_shows_all_candidates_whatever_is_open(
    journal: Journal, view: CorpusView, rows: IntArray, shortlist: IntArray
) -> None:
    with Misbehaving() as server:
        teacher = made(server, "listwise")
        labels = tuple(view.labels[j] for j in shortlist[0])
        document = view.documents[int(rows[0])]
        (whole,) = ask(teacher, [TeacherRequest(document, labels, (0, 1, 2, 3), labels)])
        (some,) = ask(teacher, [TeacherRequest(document, labels[2:], (2, 3), labels)])
    assert [a.verdict for a in whole[2:] if a] == [a.verdict for a in some if a]
    assert server.chats()[0].text == server.chats()[1].text
    assert all(a and a.shown == tuple(x.id for x in labels) for a in [*whole, *some])
    assert sum(a.tokens for a in some if a) == READ + WRITTEN


@pytest.mark.parametrize(
    ("typed", "logprobs", "strategy"),
    [(True, True, "questions"), (False, True, "logprobs"), (False, False, "listwise")],
)
def test_auto_takes_what_the_server_offers_and_names_it(typed: bool, logprobs: bool, strategy: str) -> None:
    with Misbehaving(typed=typed, logprobs=logprobs) as server:
        teacher = made(server, "", document_tokens=64)
        assert not server.asked
        assert teacher.strategy == strategy
        n = len(server.asked)
        assert teacher.spec == f"openai:m,base_url={server.base_url},strategy={strategy},document_tokens=64"
        again = load_teacher(teacher.spec, TeacherContext())
        assert (again.key, again.spec) == (teacher.key, teacher.spec)
        assert len(server.asked) == n
        assert "Title" not in server.asked[0].text
        assert try_connection(teacher).ok
    assert try_connection(made(server, "")).problem.count("nothing answers") == 1


def test_auto_without_probabilities_refuses_a_prompt_for_single_labels() -> None:
    with Misbehaving(logprobs=False) as server:
        with pytest.raises(TeacherError, match="gives no probabilities"):
            _ = made(server, "auto", prompt="tag-described.v1").key
        assert made(server, "auto", prompt="list-described.v1").strategy == "listwise"


@pytest.mark.parametrize("formats", [("json_schema", "json_object"), ("json_object",), ()])
def test_formats_are_asked_for_until_refused_and_remembered(
    formats: tuple[str, ...], view: CorpusView, rows: IntArray, shortlist: IntArray
) -> None:
    with Misbehaving(formats=formats) as server:
        teacher = made(server, "listwise", concurrency=1)
        for answers in ask(teacher, requests(view, rows[:6], shortlist)):
            assert all(a and a.verdict in ("yes", "no") for a in answers)
    refused = 2 - len(formats)
    assert len(server.chats()) == 6 + refused
    used = [x.body.get("response_format", {}).get("type") for x in server.chats()]
    assert set(used[refused:]) == {formats[0] if formats else None}


def test_a_limit_by_another_name_and_a_fixed_temperature_are_learned() -> None:
    class Newer(Misbehaving):
        def answer(self, asked: Asked) -> tuple[int, dict[str, Any]]:
            for name in ("max_tokens", "temperature"):
                if name in asked.body:
                    hint = "Use max_completion_tokens." if name == "max_tokens" else "Only 1 is supported."
                    return 400, {"error": {"message": f"Unsupported: '{name}'. {hint}"}}
            return super().answer(asked)

    with Newer() as server:
        teacher = made(server, "official", concurrency=1, max_tokens=50)
        assert [a and a.verdict for a in ask(teacher, [pair(), pair()])[1]] == ["yes"]
        assert len(server.chats()) == 4
        assert server.chats()[-1].body["max_completion_tokens"] == 50


def pair(title: str = "Title 1") -> TeacherRequest:
    labels = (Label("l1", "topic1"), Label("l2", "topic2"))
    return TeacherRequest(Document("d", title, "on topic1"), labels[:1], (0,), labels)


def requests(view: CorpusView, rows: IntArray, shortlist: IntArray) -> list[TeacherRequest]:
    found = []
    for i, row in zip(rows, shortlist, strict=False):
        labels = tuple(view.labels[j] for j in row)
        found.append(TeacherRequest(view.documents[int(i)], labels, tuple(range(len(labels))), labels))
    return found


# ---- one that does not --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("what", "strategy"),
    [
        *((x, "listwise") for x in ("429", "500", "drop", "broken", "error with 200", "no usage")),
        *(("no usage", x) for x in STRATEGIES if x != "listwise"),
        ("broken", "questions"),
        ("429", "logprobs"),
        ("drop", "official"),
    ],
)
def test_what_passes_is_tried_again_until_all_is_answered(
    what: str, strategy: str, journal: Journal, view: CorpusView, rows: IntArray, shortlist: IntArray
) -> None:
    with Misbehaving(first_time(what), typed=True) as server:
        teacher = made(server, strategy)
        report = judge(journal, teacher, view, shortlist, rows)
    assert server.done[what] >= 4
    assert stored(journal, teacher) == truth(view, rows, shortlist)
    assert (report.n_judged, report.n_failed) == (N_DOCS * K, 0)
    if what == "no usage":
        assert all(x.tokens > 0 for x in journal.recent_judgments(1_000_000, teacher.key))


@pytest.mark.parametrize(
    ("what", "strategy"),
    [
        *((x, "listwise") for x in ("500", "drop", "broken", "400", "redirect", "429 for an hour")),
        *(("redirect", x) for x in STRATEGIES if x != "listwise"),
        ("500", "logprobs"),
        ("400", "questions"),
    ],
)
def test_what_lasts_leaves_pairs_open_which_the_next_run_asks(
    what: str, strategy: str, journal: Journal, view: CorpusView, rows: IntArray, shortlist: IntArray
) -> None:
    bad = titles(view, rows[5::7])
    with Misbehaving() as other, Misbehaving(always(what, *bad), typed=True) as server:
        server.elsewhere = other.base_url
        teacher = made(server, strategy)
        report = judge(journal, teacher, view, shortlist, rows)
        check_sums(report, journal, teacher, N_DOCS * K)
        assert report.n_failed == K * len(bad)
        expected = {"400": "too long", "redirect": "not followed", "drop": "broke off", "broken": "no JSON"}
        assert expected.get(what, "HTTP") in report.problem
        server.behave = lambda asked: "ok"
        del server.asked[:]
        again = judge(journal, teacher, view, shortlist, rows)
        asked = Counter(x for a in server.chats() for x in a.pairs())
        assert not other.asked
    assert (again.n_judged, again.n_failed) == (report.n_failed, 0)
    assert set(asked.values()) == {1}
    assert {title for title, _ in asked} == set(bad)
    assert stored(journal, teacher) == truth(view, rows, shortlist)


@pytest.mark.parametrize(
    ("strategy", "what"),
    [
        ("logprobs", "refusal"),
        ("listwise", "refusal"),
        ("listwise", "chatter"),
        ("listwise", "wrong numbers"),
        ("listwise", "cut off"),
        ("official", "refusal"),
        ("official", "chatter"),
        ("questions", "other names"),
    ],
)
def test_no_usable_answer_is_unparsed_and_never_no(
    strategy: str, what: str, journal: Journal, view: CorpusView, rows: IntArray, shortlist: IntArray
) -> None:
    bad = titles(view, rows[::5])
    with Misbehaving(always(what, *bad), typed=True) as server:
        teacher = made(server, strategy, concurrency=1)
        report = judge(journal, teacher, view, shortlist, rows)
    expected = truth(view, rows, shortlist)
    for i in rows[::5]:
        document = view.documents[int(i)]
        expected |= {pair: "unparsed" for pair in expected if pair[0] == document.id}
    assert stored(journal, teacher) == expected
    assert (report.n_unparsed, report.n_failed) == (K * len(bad), 0)
    assert report.tokens == sum(
        READ + (0 if strategy == "questions" else WRITTEN) for _ in range(len(server.chats()))
    )


def test_everything_at_once_loses_nothing(
    journal: Journal, view: CorpusView, rows: IntArray, shortlist: IntArray
) -> None:
    does = ["429", "500", "drop", "broken", "late", "error with 200", "no usage", "hang", "ok", "ok", "ok"]
    rng = np.random.default_rng(0)
    lock = threading.Lock()

    def behave(asked: Asked) -> str:
        with lock:
            return str(rng.choice(does))

    with Misbehaving(behave, hang_s=5) as server:
        teacher = made(server, "listwise", timeout=0.3, concurrency=6)
        n_open, told = N_DOCS * K, []
        for _ in range(20):
            report = judge(journal, teacher, view, shortlist, rows, progress=lambda d, t, m: told.append(d))
            check_sums(report, journal, teacher, n_open, N_DOCS * K - n_open)
            n_open = report.n_failed
            if not n_open:
                break
    assert stored(journal, teacher) == truth(view, rows, shortlist)
    assert max(told) == N_DOCS


# ---- waiting ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("what", "least"), [("429 for a second", 1.0), ("429 until", 0.9)])
def test_the_pause_that_a_server_asks_for_is_kept_by_all_threads(what: str, least: float) -> None:
    told = threading.Event()

    def behave(asked: Asked) -> str:
        if told.is_set():
            return "ok"
        told.set()
        return what

    with Misbehaving(behave) as server:
        teacher = made(server, concurrency=1)
        ask(teacher, [pair()])
        assert [a and a.verdict for a in ask(teacher, [pair()])[0]] == ["yes"]
    first, second = server.chats()[:2]
    assert least <= second.at - first.at < 3


def test_a_used_up_limit_is_waited_for_before_it_is_exceeded() -> None:
    with Misbehaving(lambda asked: "used up" if asked.n == 0 else "ok") as server:
        ask(made(server, concurrency=1), [pair(), pair()])
    assert 0.6 <= server.chats()[1].at - server.chats()[0].at < 1.5


def test_a_hanging_server_is_given_up_and_noticed_meanwhile() -> None:
    with Misbehaving(always("hang"), hang_s=5) as server:
        teacher = made(server, timeout=0.8)
        start, beats, answered = time.monotonic(), [], []
        for found in teacher.judge([pair()]):
            (beats if found is None else answered).append(time.monotonic() - start)
            if found is not None:
                assert found.answers == (None,)
                assert "no answer within 0.8 s (after 2 attempts)" in found.problem
    assert 1.5 < answered[0] < 3
    assert len(beats) >= 4
    assert max(b - a for a, b in pairwise(beats)) < 0.4


def test_a_cancelled_run_asks_nothing_new_and_keeps_what_it_asked(
    journal: Journal, view: CorpusView, rows: IntArray, shortlist: IntArray
) -> None:
    def cancel(done: int, total: int, message: str) -> None:
        if done >= 4:
            raise JobCancelled("stop")

    with Misbehaving(lambda asked: "hang" if asked.n == 0 else "slow", hang_s=0.5) as server:
        teacher = made(server, "listwise", concurrency=4)
        with pytest.raises(JobCancelled):
            judge(journal, teacher, view, shortlist, rows, progress=cancel)
        asked = {x.document for x in server.chats()}
        assert len(asked) < N_DOCS
        assert len(stored(journal, teacher)) == K * len(asked)


def test_an_abandoned_run_ends_at_once() -> None:
    with Misbehaving(always("hang"), hang_s=3) as server:
        run = made(server, timeout=10).judge(iter([pair()] * 50))
        assert next(run) is None
        start = time.monotonic()
        run.close()
        assert time.monotonic() - start < 0.3
        assert len(server.chats()) <= 8


def test_requests_are_drawn_as_needed_and_by_one_thread(
    view: CorpusView, rows: IntArray, shortlist: IntArray
) -> None:
    drawn: list[int] = []

    def supply() -> Iterator[TeacherRequest]:
        for request in requests(view, rows, shortlist):
            drawn.append(threading.get_ident())
            yield request

    with Misbehaving(always("late")) as server:
        back, most = 0, 0
        for found in made(server, "listwise", concurrency=3).judge(supply()):
            back += found is not None
            most = max(most, len(drawn) - back)
    assert set(drawn) == {threading.get_ident()}
    assert back == len(drawn) == N_DOCS
    assert most <= 3 + 2
    assert 2 <= server.most_at_once <= 3


def test_a_budget_holds_with_requests_under_way(
    journal: Journal, view: CorpusView, rows: IntArray, shortlist: IntArray
) -> None:
    with Misbehaving() as server:
        teacher = made(server)
        report = judge(journal, teacher, view, shortlist, rows, budget=Budget(pairs=23))
    assert (report.stopped, report.n_judged, len(server.chats())) == ("pairs", 20, 20)


# ---- what ends a run ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("what", "message"),
    [("401", "refuses the key"), ("404", "no such model"), ("no quota", "nothing left")],
)
def test_what_can_not_get_better_ends_the_run_and_keeps_what_was_answered(
    what: str, message: str, journal: Journal, view: CorpusView, rows: IntArray, shortlist: IntArray
) -> None:
    with Misbehaving(lambda asked: "ok" if asked.n < 10 else what) as server:
        teacher = made(server, "listwise", concurrency=2)
        with pytest.raises(TeacherError, match=message):
            judge(journal, teacher, view, shortlist, rows)
    assert len(stored(journal, teacher)) == 10 * K
    assert len(server.chats()) <= 12


def test_nobody_there_is_told_at_once() -> None:
    with Misbehaving() as server:
        pass
    start = time.monotonic()
    for strategy in (*STRATEGIES, "auto"):
        with pytest.raises(TeacherError, match=r"nothing answers at http.*Start the server"):
            ask(made(server, strategy, patience=Patience()), [pair()])
    assert time.monotonic() - start < 3


def test_a_server_that_goes_away_ends_the_run(
    journal: Journal, view: CorpusView, rows: IntArray, shortlist: IntArray
) -> None:
    with Misbehaving(lambda asked: "ok" if asked.n < 9 else "drop") as server:
        teacher = made(server, "listwise")
        with pytest.raises(TeacherError, match=r"5 documents in a row .* What was answered is kept"):
            judge(journal, teacher, view, shortlist, rows)
        assert len(stored(journal, teacher)) == 9 * K
        server.behave = lambda asked: "ok"
        report = judge(journal, teacher, view, shortlist, rows)
    assert report.n_judged == (N_DOCS - 9) * K
    assert stored(journal, teacher) == truth(view, rows, shortlist)


def test_a_server_without_logprobs_is_told_when_they_are_asked_for() -> None:
    with Misbehaving(logprobs=False) as server, pytest.raises(TeacherError, match="gives no probabilities"):
        ask(made(server), [pair()])


# ---- keys ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("strategy", [*STRATEGIES, ""])
@pytest.mark.parametrize("what", ["echo", "echo error", "echo 401"])
def test_a_key_is_sent_and_is_nowhere_else(
    what: str,
    strategy: str,
    journal: Journal,
    view: CorpusView,
    rows: IntArray,
    shortlist: IntArray,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("LMTX_API_KEY", KEY)
    seen: list[object] = []
    with Misbehaving(lambda asked: what if asked.n > 3 else "ok", typed=True) as server:
        teacher = made(server, strategy)
        seen += [repr(teacher), repr(vars(teacher)), repr(vars(teacher._wire)).replace(KEY, "")]
        try:
            seen.append(judge(journal, teacher, view, shortlist, rows))
        except TeacherError as error:
            seen += chain(error)
        seen += [teacher.spec, teacher.description, teacher.key, try_connection(teacher)]
    assert {x.headers["authorization"] for x in server.chats()} == {f"Bearer {KEY}"}
    if what == "echo" and strategy in ("listwise", "official"):
        frame = journal.pairs_frame(teacher_key=teacher.key)
        assert len(frame) == N_DOCS * K
    everything = b"".join(p.read_bytes() for p in tmp_path.iterdir() if p.is_file())
    out = capfd.readouterr()
    told = "\n".join([*map(repr, seen), caplog.text, out.out, out.err])
    for form in (KEY, KEY[3:], KEY.replace("/", r"\/")):
        assert form not in told
        assert form.encode() not in everything


def chain(error: BaseException | None) -> list[str]:
    """All that an error shows, also of those it came from."""
    found = []
    while error is not None:
        found += [repr(error), "".join(traceback.format_exception(error)), repr(vars(error))]
        error = error.__cause__ or error.__context__
    return found


def test_which_key_goes_where(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "for-openai-only")
    monkeypatch.setenv("OPENAI_ORG_ID", "our-organisation")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "Authorization: Bearer ambient\nX-Secret: ambient")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with Misbehaving() as server:
        ask(made(server), [pair()])
        monkeypatch.setenv("LMTX_API_KEY", "mine")
        ask(made(server), [pair()])
        monkeypatch.setenv("OTHER_KEY", "another")
        ask(made(server, key_env="OTHER_KEY"), [pair()])
        monkeypatch.delenv("OTHER_KEY")
        with pytest.raises(TeacherError, match="OTHER_KEY is not set"):
            ask(made(server, key_env="OTHER_KEY"), [pair()])
        monkeypatch.setenv("LMTX_API_KEY", "two\nlines-of-secret")
        with pytest.raises(TeacherError, match="no key has") as told:
            ask(made(server), [pair()])
    assert "secret" not in "".join(chain(told.value))
    assert [x.headers["authorization"] for x in server.chats()] == [
        "Bearer none",
        "Bearer mine",
        "Bearer another",
    ]
    sent = repr([x.headers for x in server.chats()])
    assert "ambient" not in sent
    assert "our-organisation" not in sent
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(TeacherError, match="OPENAI_API_KEY is not set"):
        ask(made("https://api.openai.com/v1"), [pair()])


@pytest.mark.parametrize(
    "more",
    [
        "base_url=http://user:hunter2@127.0.0.1/v1",
        "base_url=http://hunter2@host/v1",
        "base_url=ftp://hunter2/v1",
        "base_url=hunter2",
        "base_url=http://host/v1?key=hunter2",
        "base_url=http://127.0.0.1\\@hunter2/v1",
        "base_url=http://host:hunter2/v1",
        "key_env=sk-hunter2",
        "key_env=hunter2",
        "strategy=guess",
        "concurrency=0",
        "timeout=never",
        "prompt=list.v1,strategy=logprobs",
        "prompt=tag.v1,strategy=listwise",
    ],
)
def test_specifications_that_are_refused(more: str) -> None:
    with pytest.raises(TeacherSpecError) as told:
        load_teacher(f"openai:m,{more}", TeacherContext())
    assert "hunter2" not in "".join(chain(told.value))


@pytest.mark.parametrize(
    ("url", "host", "identity"),
    [
        ("http://127.0.0.1:8000/v1", "", "127.0.0.1:8000/v1"),
        ("http://127.8.0.1/v1/", "", "127.8.0.1/v1"),
        ("http://LOCALHOST:11434/v1", "", "localhost:11434/v1"),
        ("http://[::1]:8080/v1", "", "[::1]:8080/v1"),
        ("https://API.example.org:443/v1", "api.example.org", "api.example.org/v1"),
        ("http://127.0.0.1.example.org/v1", "127.0.0.1.example.org", "127.0.0.1.example.org/v1"),
        ("http://10.0.0.5:8000", "10.0.0.5", "10.0.0.5:8000"),
        ("http://0.0.0.0:8000", "0.0.0.0", "0.0.0.0:8000"),
        ("http://localhost.example.org", "localhost.example.org", "localhost.example.org"),
    ],
)
def test_addresses(url: str, host: str, identity: str) -> None:
    address = Address.of(url)
    assert (address.host, address.identity) == (host, identity)


def test_scrubbing() -> None:
    scrub = Scrubber(KEY)
    assert scrub(f"a {KEY} b Bearer {KEY} c Bearer abcdefghijk d") == "a … b Bearer … c Bearer … d"
    assert scrub("a\ud800b\x00c") == "a?b�c"
    assert Scrubber("none")("none of them") == "none of them"
    assert check_key_env("MY_KEY_2") == "MY_KEY_2"


# ---- identity -----------------------------------------------------------------------------------


def test_the_key_depends_on_what_changes_answers_alone(tmp_path: Path) -> None:
    context = TeacherContext(prompts=tmp_path)
    save_few_shot(tmp_path, "shots", [Example("T", "x", Label("l", "topic1"), True)])
    url = "http://127.0.0.1:1/v1"
    plain = made(url, "logprobs", context)
    same = made(
        url,
        "logprobs",
        context,
        concurrency=3,
        timeout=5,
        key_env="A_KEY",
        price_in=1,
        price_out=2,
        max_tokens=9,
    )
    assert same.key == plain.key
    others = [
        made(url, "questions", context),
        made(url, "listwise", context),
        made(url, "listwise", context, max_tokens=99),
        made(url, "official", context),
        made(url, "logprobs", context, document_tokens=100),
        made(url, "logprobs", context, prompt="tag-described.v1"),
        made(url, "logprobs", context, few_shot="shots"),
        made("http://127.0.0.1:2/v1", "logprobs", context),
        made("http://127.0.0.1:1/v2", "logprobs", context),
    ]
    assert len({x.key for x in [plain, *others]}) == 1 + len(others)
    assert (plain.host, plain.is_llm) == ("", True)
    far = made("https://models.example.org/v1", "logprobs", context)
    assert far.host == "models.example.org"
    assert "models.example.org" in far.description


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_examples_are_shown_before_the_question(strategy: str, tmp_path: Path) -> None:
    examples = [Example("Ex", "shown", Label(f"l{i}", f"topic{i}"), i == 8) for i in (8, 9)]
    save_few_shot(tmp_path, "shots", examples)
    with Misbehaving(typed=True) as server:
        ask(made(server, strategy, TeacherContext(prompts=tmp_path), few_shot="shots"), [pair()])
    text = server.chats()[0].text
    assert text.index("topic8") < text.index("topic9") < text.index("Title 1")
    assert ('{"fit": [1]}' in text) == (strategy == "listwise")


def test_documents_are_cut() -> None:
    words = " ".join(["word"] * 5000)
    request = TeacherRequest(Document("d", "Title 1", words), pair().labels, (0,), pair().shortlist)
    with Misbehaving() as server:
        ask(made(server, document_tokens=100), [request])
        ask(made(server, "official"), [request])
    assert 60 <= server.chats()[0].text.count("word") <= 100
    assert 300 <= server.chats()[1].text.count("word") <= 430


def test_approximate_tokens() -> None:
    assert (count(""), count("a" * 40), count("图书馆"), count("пример пример")) == (0, 10, 3, 6)
    assert cut("图书馆" * 10, 5) == "图书馆图书"
    assert cut("a" * 100, 5) == "a" * 20
    assert count(cut("Ωmega " * 200, 50)) <= 51
    assert spread(10, 4) == [2, 3, 3, 2]
    assert sum(spread(101, 7)) == 101


# ---- lists that models write --------------------------------------------------------------------


SHOWN = tuple(Label(f"id{i}", name) for i, name in enumerate(["Birds", "Taxes", "7", "Trees"]))


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ('{"fit": [1, 4]}', {0, 3}),
        ('{"fit": []}', set()),
        ("[2]", {1}),
        ('```json\n{"fit": [1,\n 2,],}\n```', {0, 1}),
        ('Sure! Here it is: {"fit": ["1", "2"]}. Hope it helps.', {0, 1}),
        ('{"fit": ["birds", "Trees"]}', {0, 3}),
        ('{"tags": ["id3"]}', {3}),
        ('{"fit": ["1. Birds", "4) Trees", "#2"]}', {0, 1, 3}),
        ('{"fit": [1.0]}', {0}),
        ('<think>{"fit": [2]}?</think>{"fit": [1]}', {0}),
        ('See [note]. {"fit": [1]}', {0}),
        ('{"fit": [1]} That is: {"fit": [1]}', {0}),
        ('{"fit": [1]} or {"fit": [2]}', None),
        ('{"fit": [5]}', None),
        ('{"fit": [0]}', None),
        ('{"fit": [7]}', None),
        ('{"fit": [-1]}', None),
        ('{"fit": [1, 1]}', None),
        ('{"fit": [1, "Birds"]}', None),
        ('{"fit": ["4. Birds"]}', None),
        ('{"fit": ["Cats"]}', None),
        ('{"fit": [1.5]}', None),
        ('{"fit": [true]}', None),
        ('{"fit": [null]}', None),
        ('{"fit": [1, 2', None),
        ('{"fit": [1, 2], "why": ', None),
        ('{"fit": "1"}', None),
        ('{"a": [1], "b": [2]}', None),
        ("none", None),
        ("", None),
        ("1, 2", None),
        ("[" * 5000, None),
        ('{"fit": [' + "9" * 5000 + "]}", None),
        ('{"fit": [NaN]}', None),
    ],
)
def test_lists(text: str, places: set[int] | None) -> None:
    assert chosen(text, SHOWN) == places


# ---- on this machine ----------------------------------------------------------------------------


def test_servers_are_found() -> None:
    vllm = {"object": "list", "data": [{"id": "b", "owned_by": "vllm"}, {"id": "a", "owned_by": "vllm"}]}
    with (
        Misbehaving(models=vllm) as one,
        Misbehaving(typed=True) as two,
        Misbehaving(models={"data": "odd"}) as three,
        Misbehaving(models=b"<html>") as four,
        Misbehaving() as gone,
    ):
        gone.__exit__(None)
        found = find_servers(ports=[one.port, two.port, three.port, four.port, gone.port])
        assert [(x.name, x.base_url, x.models) for x in found] == [
            ("vLLM", one.base_url, ("a", "b")),
            ("transformers serve", two.base_url, ()),
        ]
        assert not one.chats()
        assert find_servers(ports=[]) == []


def test_trying_a_connection() -> None:
    with Misbehaving() as server:
        report = try_connection(made(server, ""))
        assert report.ok
        assert (report.strategy, report.verdict, report.tokens) == ("logprobs", "yes", READ + WRITTEN)
        assert report.probability is not None
        assert report.probability > 0.9
        assert 0 < report.seconds < 5
        server.behave = always("chatter")
        report = try_connection(made(server, "official"))
        assert not report.ok
        assert "not the question" in report.problem
        server.behave = always("500")
        start = time.monotonic()
        report = try_connection(made(server, "listwise", patience=Patience()))
        assert not report.ok
        assert "HTTP 500" in report.problem
        assert time.monotonic() - start < 1
