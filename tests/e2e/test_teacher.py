"""A language model in the browser: connected, asked within a budget, its answers read, a prompt changed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from lmtx.workspace import Workspace
from tests.unit.teacher.misbehaving import Misbehaving

pytestmark = pytest.mark.browser
JOB = 150_000  # ms that a job may take on a slow machine
N_LABELS = 8
KEY = "sk-planted-on-screen-9Qx2"


@pytest.fixture(autouse=True)
def planted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key in the environment of the app, which no screen may ever show."""
    monkeypatch.setenv("LMTX_API_KEY", KEY)


@pytest.fixture
def judge() -> Iterator[Misbehaving]:
    """A server on loopback that knows which topics a text names, and chatters now and then."""
    with Misbehaving(models={"data": [{"id": "judge-8b", "owned_by": "library"}]}) as server:
        server.behave = lambda asked: "chatter" if "topic7" in asked.text and asked.n % 3 == 0 else "ok"
        yield server


@pytest.fixture
def topics(app: Any, tmp_path: Path) -> Path:
    """A workspace of texts that name their topics."""
    folder = Path(app.home) / "topics"
    records = [
        {
            "id": f"d{i}",
            "title": f"Title {i}",
            "text": f"Of topic{i % N_LABELS} and topic{(3 * i + 1) % N_LABELS}.",
        }
        for i in range(40)
    ]
    (tmp_path / "corpus.jsonl").write_text("\n".join(map(json.dumps, records)), encoding="utf-8")
    labels = [{"id": f"l{i}", "name": f"topic{i}"} for i in range(N_LABELS)]
    (tmp_path / "labels.jsonl").write_text("\n".join(map(json.dumps, labels)), encoding="utf-8")
    with Workspace.create(folder, name="Topics") as workspace:
        workspace.import_labels(tmp_path / "labels.jsonl")
        workspace.import_corpus(tmp_path / "corpus.jsonl", labels_are="none")
    return folder


def settle(page: Page) -> None:
    """Wait until the app has drawn what it was asked for."""
    for _ in range(2):
        page.locator('[data-testid="stApp"][data-test-script-state="notRunning"]').wait_for()
        page.wait_for_timeout(250)


def view(page: Page, name: str) -> None:
    """Open one of the screen's views."""
    page.get_by_role("radio", name=name, exact=True).click()
    settle(page)


def test_a_language_model_is_connected_and_asked(
    app: Any, page: Page, topics: Path, judge: Misbehaving
) -> None:
    page.goto(f"{app.url}/teacher")
    settle(page)
    page.get_by_text("A server with a language model").click()
    settle(page)
    expect(page.get_by_role("button", name="Teach and train")).to_be_disabled()
    page.get_by_role("textbox", name="Address").fill(judge.base_url)
    page.keyboard.press("Enter")
    settle(page)
    page.get_by_role("combobox", name="Model").click()
    page.get_by_role("option", name="judge-8b").click()
    settle(page)
    page.get_by_role("button", name="Test the connection").click()
    expect(page.get_by_text("It answers")).to_be_visible()
    assert not any("Title" in asked.text for asked in judge.asked)

    # What it will take, a budget, and the verdicts as they come in.
    page.get_by_role("combobox", name="Budget").click()
    page.get_by_role("option", name="Pairs at most").click()
    settle(page)
    page.get_by_role("spinbutton", name="How many").fill("120")
    page.keyboard.press("Enter")
    settle(page)
    page.get_by_role("button", name="Only teach").click()
    expect(page.get_by_text("ended by the budget of pairs")).to_be_visible(timeout=JOB)
    settle(page)
    with Workspace.open(topics, own_index=False) as workspace:
        row = next(t for t in workspace.journal.teachers() if t.spec.startswith("openai:judge-8b"))
    assert 0 < row.n_judgments <= 120
    page.get_by_role("button", name="See what it would take").click()
    expect(page.get_by_text("Tokens to read")).to_be_visible()

    # What it said, with the answer as it came.
    view(page, "What it said")
    expect(page.locator(".lx-said-row").first).to_be_visible()
    line = page.locator("details.lx-said-raw").first
    expect(line.locator("pre")).to_be_hidden()
    line.locator("summary").click()
    expect(line.locator("pre")).to_be_visible()

    # A prompt is changed, with the messages beside it as one types, and kept.
    view(page, "Prompt")
    page.get_by_label("Text", exact=True).fill(
        "{% block document %}{{ document }}{% endblock %}"
        '{% block question %} Is it of the tag "{{ label.name }}"? yes or no{% endblock %}'
    )
    expect(page.locator(".lx-message.user")).to_contain_text("Is it of the tag")
    page.get_by_role("button", name="Save as a new version").click()
    expect(page.get_by_text("Saved as my-tag.v1")).to_be_visible()
    assert (topics / "prompts" / "my-tag.v1.jinja").is_file()

    # A trial: ten pairs labelled by keys without seeing what the teacher said, then its report.
    judge.behave = lambda asked: "ok"
    view(page, "Trial")
    page.get_by_role("spinbutton", name="Pairs").fill("10")
    page.keyboard.press("Enter")
    settle(page)
    page.get_by_role("button", name="Start the trial").click()
    asked = page.locator(".lx-asked-name")
    asked.wait_for(timeout=JOB)
    settle(page)
    for i in range(10):
        expect(page.get_by_text(f"{i} of 10 pairs labelled")).to_be_visible()
        document = page.locator(".st-key-lx_reading").inner_text()
        fits = re.search(rf"\b{re.escape(asked.inner_text())}\b", document) is not None
        page.wait_for_timeout(500)  # one that comes at once is a double press
        page.keyboard.press("1" if fits else "2")
        settle(page)
    expect(page.get_by_text(re.compile(r"is right on \d+ of \d+ pairs"))).to_be_visible()
    with Workspace.open(topics, own_index=False) as workspace:
        (trial,) = workspace.trials()
        assert trial.n_labelled == trial.n_pairs == 10
        side = workspace.trial_report(trial.id).sides[0]
        said = [d for d in workspace.journal.decisions(standing=True) if d.policy == "trial"]
    assert len(said) == 10
    assert (side.n_right, side.n, side.n_unparsed) == (10, 10, 0)  # this judge knows the topics of a text
    assert {d.action for d in said} <= {"accept", "reject"}

    # The key went with every question, and is on no screen.
    assert {x.headers["authorization"] for x in judge.chats()} == {f"Bearer {KEY}"}
    for name in ("Ask", "What it said", "Prompt", "Trial"):
        view(page, name)
        assert KEY not in page.content()
    for screen in ("settings", "export", "overview", "train"):
        page.goto(f"{app.url}/{screen}")
        settle(page)
        assert KEY not in page.content()
