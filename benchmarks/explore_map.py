"""The map of a corpus: how well each method keeps neighbours together, what it takes, what a browser gets.

`python benchmarks/explore_map.py [--docs 28000] [--copies 100000]` with LMTX_DATA set. Trustworthiness (Venna
and Kaski, 2001) is 1 where all ten nearest neighbours on the map are near in meaning too. The larger corpus
is debtags with noise added to its vectors.
"""

from __future__ import annotations

import argparse
import json
import time

import numpy as np
from common import OUT, machine, read

from app import charts_map
from lmtx.explore.clusters import centres, cluster
from lmtx.explore.projection import Method, has_umap, project
from lmtx.types import FloatArray, now
from lmtx.workspace.corpus_map import Colours, CorpusMap, Region

_ASKED = 2_000


def trust(vectors: FloatArray, xy: FloatArray) -> float:
    from sklearn.manifold import trustworthiness

    rows = np.random.default_rng(0).choice(len(vectors), min(_ASKED, len(vectors)), replace=False)
    return float(trustworthiness(vectors[rows], xy[rows], n_neighbors=10, metric="cosine"))


def figure_of(xy: FloatArray, groups: np.ndarray, titles: list[str]) -> tuple[float, float, int]:
    """Seconds to make the figure and to write it, and its bytes."""
    n = int(groups.max()) + 1
    regions = tuple(
        Region((f"part {g}",), (float(x), float(y)), int((groups == g).sum()))
        for g, (x, y) in enumerate(centres(xy, groups, n))
    )
    found = CorpusMap(xy, groups, regions, "tsne", None, now())
    colours = Colours(tuple(r.name for r in regions), groups)
    charts_map.corpus_map(found, "cluster", colours, titles)  # what is imported once
    start = time.perf_counter()
    figure = charts_map.corpus_map(found, "cluster", colours, titles)
    made = time.perf_counter()
    body = figure.to_json()
    return made - start, time.perf_counter() - made, len(body)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--docs", type=int, default=28_000)
    parser.add_argument("--copies", type=int, default=100_000)
    options = parser.parse_args()
    data = read("debtags", 1_000_000, 1_000_000, OUT)
    documents = [*data.pool, *(d for test in data.tests.values() for d in test)]
    documents = list({d.id: d for d in documents}.values())[: options.docs]
    vectors = data.of(documents)
    titles = [d.title[:60] for d in documents]
    rng = np.random.default_rng(0)
    rows = rng.integers(0, len(vectors), options.copies)
    noisy = vectors[rows] + rng.normal(0, 0.02, (options.copies, vectors.shape[1])).astype(np.float32)
    noisy /= np.linalg.norm(noisy, axis=1, keepdims=True)
    methods: list[Method] = ["pca", "tsne", *(["umap"] if has_umap() else [])]  # type: ignore[list-item]
    found = []
    print(
        "| documents | method | wall s | CPU s | trustworthiness | naming, s | figure, ms | JSON, ms | MB |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for name, x, said in (("debtags", vectors, titles), ("with noise", noisy, [titles[i] for i in rows])):
        start = time.perf_counter()
        groups = cluster(x)
        naming = time.perf_counter() - start
        for method in methods:
            start, cpu = time.perf_counter(), time.process_time()
            xy = project(x, method).xy
            wall, cpu = time.perf_counter() - start, time.process_time() - cpu
            made, written, size = figure_of(xy, groups, said)
            row = {
                "corpus": name,
                "documents": len(x),
                "method": method,
                "wall_s": round(wall, 1),
                "cpu_s": round(cpu, 1),
                "trustworthiness": round(trust(x, xy), 3),
                "grouping_s": round(naming, 1),
                "figure_ms": round(1000 * made),
                "json_ms": round(1000 * written),
                "megabytes": round(size / 1e6, 2),
            }
            found.append(row)
            print("| " + " | ".join(str(v) for k, v in row.items() if k != "corpus") + " |", flush=True)
    OUT.mkdir(exist_ok=True)
    (OUT / "explore_map.json").write_text(json.dumps({"machine": machine(), "rows": found}, indent=1))


if __name__ == "__main__":
    main()
