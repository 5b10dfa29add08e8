"""Server time of finding documents, looking at one, and trying a text, on a workspace of real size.

`python benchmarks/explore_pages.py WORKSPACE` runs the screens as a visitor's clicks do, without a browser,
and prints the median and the slowest of some repeats in milliseconds. The workspace is opened read-only, so
nothing in it changes. "opened" is the first paint of a screen in a new session, of a server that has loaded
the encoder; what is read once for all sessions is in the slowest. With `--documents N` a copy is measured
that has so many: those of the workspace again and again, with other words and vectors near theirs.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from streamlit.testing.v1 import AppTest

from lmtx.types import Document

ROOT = Path(__file__).resolve().parents[1]
TEXT = "A small web server written in Python, with support for templates, sessions and a database."


def grown(folder: Path, n: int) -> Path:
    """Copy a workspace and add documents until it has n."""
    from lmtx.encoder import encoder_key
    from lmtx.workspace import Workspace

    copy = Path(tempfile.mkdtemp()) / "grown"
    shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("chroma"))
    rng = np.random.default_rng(0)
    with Workspace.open(copy, own_index=False) as workspace:
        view, key = workspace.journal.corpus(), encoder_key(workspace.settings.encoder)
        cache = workspace._parts.cache
        known = cache.get(key, [d.hash for d in view.documents])[0]
        made = []
        for i in range(n - len(view.documents)):
            of = view.documents[i % len(view.documents)]
            made.append(Document(f"{of.id}~{i}", of.title, f"{of.text} Copy number {i}.", of.split))
        file = copy.parent / "more.jsonl"
        with file.open("w", encoding="utf-8") as out:
            for d in made:
                out.write(json.dumps({"id": d.id, "title": d.title, "text": d.text, "split": d.split}) + "\n")
        workspace.import_corpus(file, labels_are="none")
        view = workspace.journal.corpus()
        new = [view.documents[view.document_idx[d.id]].hash for d in made]
        for start in range(0, len(new), 10_000):
            rows = np.arange(start, min(start + 10_000, len(new)))
            vectors = known[rows % len(known)] + 0.02 * rng.standard_normal((len(rows), known.shape[1]))
            vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
            cache.put(key, [new[int(i)] for i in rows], vectors.astype(np.float32))
    return copy


def screen(name: str, **params: str) -> AppTest:
    """Return a new session that is about to open a screen."""
    app = AppTest.from_file(str(ROOT / "app" / "main.py"), default_timeout=120)
    app.run()
    for key, value in params.items():
        app.query_params[key] = value
    app.switch_page(f"../pages/{name}.py")
    return app


def timed(do: Callable[[], object]) -> float:
    """Milliseconds."""
    start = time.perf_counter()
    do()
    return 1000 * (time.perf_counter() - start)


def row(name: str, found: list[float]) -> None:
    print(f"| {name} | {statistics.median(found):.0f} | {max(found):.0f} |", flush=True)


def paints(name: str, page: str, n: int, **params: str) -> None:
    """Open a screen n times, each in a session of its own."""
    found = []
    for _ in range(n):
        app = screen(page, **params)
        found.append(timed(app.run))
        assert not app.exception, app.exception
    row(name, found)


def clicks(name: str, app: AppTest, changes: list[Callable[[], object]]) -> None:
    """Change one thing after the other in a session."""
    found = []
    for change in changes:
        change()
        found.append(timed(app.run))
        assert not app.exception, app.exception
    row(name, found)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("workspace", type=Path)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--documents", type=int, help="Measure a copy that has so many.")
    asked = parser.parse_args()
    folder = grown(asked.workspace, asked.documents) if asked.documents else asked.workspace
    sys.path.insert(0, str(ROOT))
    os.environ["LMTX_READ_ONLY"] = "1"
    os.environ["LMTX_HOME"] = tempfile.mkdtemp()
    os.environ["LMTX_WORKSPACE"] = str(folder.resolve())
    from lmtx.workspace import Workspace

    n = asked.repeats
    with Workspace.open(folder, read_only=True) as workspace:
        workspace._parts.encoder().load()
        counts = workspace.journal.counts()
        view = workspace.journal.corpus()
        judged = workspace.journal.document_ids("train", judged=True)[: n + 1]
        longest = max(view.documents, key=lambda d: len(d.text)).id
        label = next(iter(workspace.journal.pair_states(judged[0]))).label_id
        tags = [r.label_id for r in workspace.document_pairs(judged[0])]
    print(f"{counts['documents']} documents, {counts['labels']} labels; {os.cpu_count()} cores\n")
    print("| what | median ms | slowest ms |\n|---|---:|---:|")
    paints("corpus, opened", "corpus", n)
    paints("search by meaning and words, opened", "corpus", n, query="editor for latex")
    paints("search with label and use, opened", "corpus", n, query="editor", label=label, use="train")
    app = screen("corpus")
    app.run()
    texts = ["games for children", "web server", "play music files", "chemistry", "the"][:n]
    line = app.text_input(key="find_query")
    clicks("search by meaning and words", app, [lambda t=t: line.set_value(t) for t in texts])
    app.segmented_control(key="find_by").set_value("words")
    app.run()
    clicks("search by words", app, [lambda t=t: line.set_value(t) for t in texts])
    app.segmented_control(key="find_by").set_value("meaning")
    app.run()
    clicks("search by meaning", app, [lambda t=t: line.set_value(t) for t in texts])
    use = app.selectbox(key="find_use")
    clicks("a filter", app, [lambda u=u: use.set_value(u) for u in ("train", "test", None, "reserve", None)])
    for number, document in enumerate(judged[:2]):
        paints(f"document {number + 1}, opened", "corpus", n, document=document)
    paints("the longest document, opened", "corpus", n, document=longest)
    app = screen("corpus", document=judged[0])
    app.run()
    box = app.selectbox(key="document_tag")
    clicks("another tag of it", app, [lambda o=o: box.set_value(o) for o in tags[1 : n + 1]])
    for unit in ("sentence", "word"):
        choice = app.segmented_control(key=f"document_occlusion_{judged[0]}")
        clicks(f"each {unit} left out", app, [lambda u=unit, c=choice: c.set_value(u)])
    paints("try it, opened", "try_it", n)
    app = screen("try_it")
    app.run()

    def typed(text: str) -> Callable[[], object]:
        return lambda: app.session_state.__setitem__("lmtx.try.text", text)

    clicks("try it, another text", app, [typed(TEXT[: 40 + 8 * i]) for i in range(n)])
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"\nMost memory of the server: {memory:.0f} MB")


if __name__ == "__main__":
    main()
