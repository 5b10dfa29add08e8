"""The review by keyboard alone, through undo, batches, a reload and a crash; and by two people at once."""

from __future__ import annotations

import functools
import shutil
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from lmtx.types import Decision
from lmtx.workspace import Workspace

pytestmark = pytest.mark.browser
READ_MS = 430  # nobody reads faster; a key before that is taken for a double press
# How long from a key to what it brings about on the screen.
STOPWATCH = """() => {
  window.lmtxTimes = [];
  window.lmtxSeen = () => [document.querySelector('article.lx-doc')?.dataset.key,
    document.querySelector('.lx-label-name')?.textContent,
    document.querySelector('.lx-status')?.textContent,
    document.querySelector('.st-key-lx_actions')?.textContent,
    [...document.querySelectorAll('.lx-cand')].map((x) => x.className + x.textContent).join()].join('|');
  let since = null, before = '';
  window.addEventListener('keydown', () => { since = performance.now(); before = window.lmtxSeen(); }, true);
  new MutationObserver(() => {
    if (since === null || window.lmtxSeen() === before) return;
    window.lmtxTimes.push(performance.now() - since);
    since = null;
  }).observe(document.body, { subtree: true, childList: true, characterData: true, attributes: true });
}"""


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory, encoded_demo: Path) -> Path:
    """The demo, imported, judged by the evidence teacher and trained."""
    folder = Path(shutil.copytree(encoded_demo, tmp_path_factory.mktemp("demo") / "demo"))
    with Workspace.open(folder) as workspace:
        workspace.demo()
        workspace.sync_index()
    return folder


class Reviewer:
    """Somebody at a keyboard, and what the journal has of them: another process looks."""

    def __init__(self, page: Page, url: str, folder: Path, name: str = "") -> None:
        self.page, self.url, self.folder, self.name = page, url, folder, name
        self.seen = ""
        self.n_again = 0

    def visit(self, address: str) -> None:
        """Open an address of the review."""
        self.page.goto(f"{self.url}/review{address}")
        self.page.locator(".st-key-lx_foot_line").wait_for()
        self.settle()
        self.page.evaluate(STOPWATCH)
        self.page.wait_for_timeout(READ_MS)

    def settle(self) -> None:
        """Wait until the app has drawn what it was asked for."""
        for _ in range(2):
            self.page.locator('[data-testid="stApp"][data-test-script-state="notRunning"]').wait_for()
            self.page.wait_for_timeout(60)

    def strike(self, key: str) -> None:
        """Press a key, and wait for nothing."""
        self.seen = self.page.evaluate("window.lmtxSeen()")
        self.page.keyboard.press(key)

    def arrived(self, key: str = "") -> None:
        """Wait until what was struck shows.

        A key that comes while the screen is drawn anew for another reason counts for nothing: a person
        sees that and presses it again.
        """
        changed = "before => window.lmtxSeen() !== before"
        try:
            self.page.wait_for_function(changed, arg=self.seen, timeout=5_000 if key else 60_000)
        except PlaywrightTimeout:
            if not key:
                raise
            self.n_again += 1
            self.strike(key)
            self.page.wait_for_function(changed, arg=self.seen)
        self.settle()

    def press(self, key: str) -> None:
        """Press a key and wait until it shows."""
        self.strike(key)
        self.arrived(key)

    def find(self, words: str) -> None:
        """Type into the search line and take what is found first."""
        self.page.keyboard.press("f")
        self.page.keyboard.type(words, delay=20)
        self.settle()
        self.page.wait_for_timeout(300)
        self.settle()
        self.press("Enter")

    def times(self) -> list[float]:
        """Milliseconds from keys to what they brought about, since the last look."""
        found: list[float] = self.page.evaluate("window.lmtxTimes.splice(0)")
        return found


def recorded(folder: Path, after: int = 0, **filters: Any) -> list[Decision]:
    """What the journal has, as another process than the app reads it."""
    return opened(folder).journal.decisions(after_seq=after, limit=None, **filters)


@functools.cache
def opened(folder: Path) -> Workspace:
    """The workspace, opened a second time."""
    return Workspace.open(folder, own_index=False)


def head(folder: Path) -> int:
    """Number of the newest decision."""
    found = recorded(folder)
    return found[-1].seq if found else 0


class Ledger:
    """What was pressed against what the journal has: key by key, nothing more and nothing less."""

    def __init__(self, who: Reviewer) -> None:
        self.who = who
        self.at = head(who.folder)
        self.n = 0

    def key(self, key: str, *expected: str) -> list[Decision]:
        """Press a key; these actions must be on record by the time it shows, and no others."""
        self.who.press(key)
        return self.check(*expected)

    def check(self, *expected: str) -> list[Decision]:
        """What is new on record must be this."""
        found = recorded(self.who.folder, self.at)
        assert sorted(d.action for d in found) == sorted(expected), self.who.page.inner_text(".lx-saved")
        self.at = found[-1].seq if found else self.at
        self.n += sum(d.action in ("accept", "reject") for d in found)
        return found


def report(what: str, times: list[float]) -> None:
    """Print the median and the 95th percentile."""
    worst = statistics.quantiles(times, n=20)[-1]
    print(f"\n{what}: {len(times)} keys, median {statistics.median(times):.0f} ms, p95 {worst:.0f} ms")


def test_two_hundred_decisions_by_keyboard_alone(app: Any, page: Page, demo: Path) -> None:
    folder = Path(app.home) / "demo"
    shutil.copytree(demo, folder)
    who = Reviewer(page, app.url, folder)
    who.visit("")
    ledger = Ledger(who)
    times: dict[str, list[float]] = {"documents": [], "pairs": [], "labels": []}

    # Documents: some right, some wrong with a reason, the rest wrong, one added, complete; and undo.
    for n in range(8):
        ledger.key("a", "accept")
        ledger.key("x", "reject")
        if n == 2:
            page.keyboard.press("t")
            why = ledger.key("2", "reject")
            assert why[0].reason == "too_broad"
            ledger.key("u", "retract")  # the reason is gone, the reject stands
        ledger.key("3" if n % 2 else "4", "accept")
        who.press("j")
        page.wait_for_timeout(READ_MS)
        ledger.key("w", *["reject"] * 6)
        if n == 4:
            who.find("ships")
            ledger.check("accept")
        ledger.key("Enter", "complete")
        page.wait_for_timeout(READ_MS)
        if n == 5:
            ledger.key("u", "retract")
            ledger.key("Enter", "complete")
            page.wait_for_timeout(READ_MS)
        if n == 3:  # a reload in the middle: it goes on with the next document
            times["documents"] += who.times()
            page.reload()
            who.visit("")
    times["documents"] += who.times()

    # Pairs; the server is killed in the middle and comes back.
    who.visit("?mode=pair")
    for n in range(70):
        key, said = ("a", "accept") if n % 3 else ("x", "reject")
        ledger.key(key, said)
        page.wait_for_timeout(READ_MS - 150)
        if n == 20:
            ledger.key("u", "retract")
            ledger.key(key, said)
            page.wait_for_timeout(READ_MS)
        if n == 30:
            ledger.key("s", "skip")
            page.wait_for_timeout(READ_MS)
            who.press("k")
            expect(page.locator(".lx-said")).to_have_count(0)
            who.press("k")
            expect(page.locator(".lx-said")).to_contain_text("right" if said == "accept" else "wrong")
            who.press("j")
            page.wait_for_timeout(READ_MS)
        if n == 40:
            page.keyboard.press("t")
            page.keyboard.type("half a note")
            app.stop()
            expect(page.locator(".lx-lost")).to_be_visible()
            app.start()
            expect(page.locator(".lx-lost")).to_have_count(0, timeout=120_000)
            who.settle()
            expect(page.get_by_label("Reason or note")).to_have_value("half a note")
            assert [d.seq for d in recorded(folder)][-1] == ledger.at
            times["pairs"] += who.times()
            who.visit("?mode=pair")
    times["pairs"] += who.times()

    # Labels: rows one by one, then many at once after a spot check, taken back as one.
    who.visit("?mode=label")
    for _ in range(5):
        who.press("1")
        page.wait_for_timeout(READ_MS)
        n_rows = page.locator(".lx-row").count()
        for n in range(min(n_rows, 7)):
            ledger.key("a" if n % 2 else "x", "accept" if n % 2 else "reject")
        times["labels"] += who.times()
        who.visit("?mode=label")
    batch = _batch(who, ledger)
    assert ledger.n >= 200

    # Journal, index and screen agree.
    assert all(not d.batch.startswith(batch) for d in recorded(folder, standing=True) if d.action == "accept")
    n_standing = sum(d.action != "retract" for d in recorded(folder, standing=True))
    who.visit("?mode=history")
    expect(page.locator(".st-key-lx_work")).to_contain_text(f"{len(recorded(folder))} decisions")
    assert n_standing == sum(d.action != "retract" for d in recorded(folder, standing=True))
    completed = next(d for d in recorded(folder, standing=True) if d.action == "complete").document_id
    who.visit(f"?document={completed}")
    _same_on_screen(page, folder, completed)
    app.stop()
    _same_in_index(folder)
    for what, found in times.items():
        report(what, found)
    assert who.n_again <= 3


def _batch(who: Reviewer, ledger: Ledger) -> str:
    """Accept many documents for a label after a spot check, and take the batch back; returns its id."""
    label = _with_most(who.folder)
    who.visit(f"?mode=label&label={label}")
    who.press("g")  # documents near the first one
    who.page.wait_for_timeout(READ_MS)
    who.press("l")
    who.press("l")
    who.press("a")
    who.page.wait_for_timeout(READ_MS)
    answer = who.page.get_by_role("button", name="Right here")
    enough = who.page.get_by_role("button", name="Accept the other")
    for _ in range(20):
        expect(answer.or_(enough)).to_be_visible()
        if enough.is_visible():
            break
        ledger.key("a", "accept")
        who.page.wait_for_timeout(READ_MS)
    before = _pairs(who.folder)
    who.press("Enter")
    done = recorded(who.folder, ledger.at)
    assert {d.action for d in done} == {"accept"}
    assert len(done) > 5
    assert len({d.batch for d in done}) == 1
    ledger.check(*["accept"] * len(done))
    expect(who.page.get_by_role("button", name="Undo the batch")).to_be_visible()
    ledger.key("u", *["retract"] * len(done))
    assert _pairs(who.folder).equals(before)
    return done[0].batch


def _with_most(folder: Path) -> str:
    return opened(folder).labels_to_review(1)[0][0].id


def _pairs(folder: Path) -> Any:
    return opened(folder).journal.pairs_frame()


def _same_on_screen(page: Page, folder: Path, document_id: str) -> None:
    states = {p.label_id: p.state for p in opened(folder).journal.pair_states(document_id)}
    boxes = page.locator('[class*="st-key-key_"]').all()
    names = [name for box in boxes for name in (box.get_attribute("class") or "").split()]
    drawn = [name for name in names if name.startswith("st-key-key_")]
    assert len(drawn) == 9
    for name in drawn:
        kind, rest = name.removeprefix("st-key-key_")[2:].split("_", 1)
        label = next(x for x in states if rest.startswith(x.replace(" ", "-")))
        assert states[label] == kind, (label, kind)


def _same_in_index(folder: Path) -> None:
    with Workspace.open(folder, own_index=True) as workspace:
        workspace.sync_index()
        index = workspace._parts.index()
        assert index is not None
        touched = {d.document_id for d in workspace.journal.decisions(limit=None)}
        assert len(touched) > 40
        for document_id, pairs in workspace.journal.pair_states_of(touched).items():
            stored = index.item(document_id)
            assert stored is not None
            for state in ("accepted", "rejected", "proposed", "declined"):
                wanted = sorted(p.label_id for p in pairs if p.state == state)
                assert sorted(stored.get(state) or []) == wanted, (document_id, state)  # type: ignore[arg-type]


# ---- two people -----------------------------------------------------------------------------------


@pytest.fixture
def two(browser: Browser) -> Iterator[tuple[Page, Page]]:
    """Two browsers that know nothing of each other."""
    contexts = [browser.new_context(viewport={"width": 1280, "height": 800}) for _ in range(2)]
    for context in contexts:
        context.set_default_timeout(60_000)
    yield contexts[0].new_page(), contexts[1].new_page()
    for context in contexts:
        context.close()


def test_two_people_in_one_workspace(app: Any, two: tuple[Page, Page], demo: Path) -> None:
    folder = Path(app.home) / "demo"
    shutil.copytree(demo, folder)
    both = [Reviewer(page, app.url, folder, name) for page, name in zip(two, ("Ann", "Bo"), strict=True)]
    for who in both:
        who.visit("")
        who.page.evaluate(f"localStorage.setItem('lmtx.reviewer', '{who.name}')")
        who.visit("")
        expect(who.page.locator(".st-key-lx_foot_line")).to_contain_text(who.name)

    # The same three documents, candidate by candidate, at the same time, in other opinions.
    for n in range(3):
        for number in range(9):
            both[0].strike("a" if (n + number) % 2 else "x")
            both[1].strike("x")
            for who in both:
                who.arrived()
        for who in both:
            who.press("Enter")
            who.page.wait_for_timeout(READ_MS)
    # Then pairs of one queue.
    for who in both:
        who.visit("?mode=pair&queue=uncertain")
    for n in range(73):
        both[0].strike("a")
        both[1].strike("x" if n % 2 else "a")
        for who in both:
            who.arrived()
        both[0].page.wait_for_timeout(READ_MS - 100)

    everything = [d for d in recorded(folder) if d.action in ("accept", "reject")]
    pressed = {name: [d for d in everything if d.reviewer == name and not d.batch] for name in ("Ann", "Bo")}
    assert {name: len(found) for name, found in pressed.items()} == {"Ann": 100, "Bo": 100}
    assert len(recorded(folder, standing=True)) == len(recorded(folder))  # nobody took anything back
    pairs = {name: {(d.document_id, d.label_id) for d in found} for name, found in pressed.items()}
    assert len(pairs["Ann"] & pairs["Bo"]) >= 10
    newest = {(d.document_id, d.label_id): d.action for d in everything}
    for (document_id, label_id), action in newest.items():
        states = {p.label_id: p.decision for p in opened(folder).journal.pair_states(document_id)}
        assert states[str(label_id)] == action
    report("two at once", [t for who in both for t in who.times()])
