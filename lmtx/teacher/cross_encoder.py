"""A reranker on this machine as a teacher: its score for document and label, as a probability."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lmtx.errors import InputError, ShapeError, TeacherError, TeacherSpecError
from lmtx.teacher.base import Answer, Answered, Estimate, TeacherContext, TeacherRequest, teacher_key
from lmtx.teacher.local import model_identity
from lmtx.teacher.registry import parse_spec
from lmtx.teacher.spec import TeacherSpec
from lmtx.types import Judgment, Label

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder

DOCUMENT_TOKENS = 512
MIN_DECISIONS = 50
"""Fewest decisions, of both kinds together, that offset and scale are fitted on."""

_FORMS = ("name", "described")
_HYPOTHESIS = "This text is about {}."
"""What an entailment model is asked, as for zero-shot classification."""
_TEXTS = "v1"
"""Version of how document and label become a pair of texts; part of the key."""

_CPU_BUDGET, _GPU_BUDGET = 4096, 65_536
"""Tokens of a forward, padding included."""
_QUEUE = 2
"""Times these tokens that are gathered before a forward, so that pairs of one length meet."""
_NO_LIMIT = 1_000_000
_RAW = re.compile(r"score (-?\d+\.\d+)")


@dataclass(frozen=True, slots=True)
class _Pair:
    texts: tuple[str, str]
    tokens: int


class CrossEncoderTeacher:
    """Asks a cross-encoder of sentence-transformers, which reads document and label together.

    Any model that `CrossEncoder` loads with one output: classic rerankers (label as query, document as
    passage) and those made of language models, whose score is the log-odds of two words. A model with the
    classes of entailment is asked whether the document entails "This text is about LABEL."; its score is the
    log-odds of entailment.

    P(yes) = 1 / (1 + exp(-(scale * score + offset))). Scores of rerankers order pairs; where yes begins on
    your documents they don't know, so fit `offset` and `scale` on decisions with `calibrated_spec`. Both are
    part of the key: changing them makes another teacher, under whose key pairs are judged anew. Since scores
    are kept in `Answer.raw`, `rescored` does that without asking the model again.

    Parameters
    ----------
    context : TeacherContext
    spec : TeacherSpec
        Kind "cross-encoder". `prompt` is "name" (the label's name is the query) or "described" (its name,
        aliases and definition).

    Raises
    ------
    TeacherError, TeacherSpecError
        If a setting is not usable. A model that can't be loaded, or whose outputs are no score, is told when
        it is first asked.
    """

    is_llm = True
    host = ""

    def __init__(self, context: TeacherContext, spec: TeacherSpec) -> None:
        del context  # all it reads comes with the requests
        self._settings = spec
        self.form: str = spec.choice("prompt", _FORMS)
        self.document_tokens = spec.integer("document_tokens", DOCUMENT_TOKENS, 16, _NO_LIMIT)
        self.offset = float(spec.number("offset", 0.0, -1e6, 1e6)) + 0.0  # no -0, which has another key
        self.scale = float(spec.number("scale", 1.0, 1e-6, 1e6))
        self._device = spec.choice("device", ("auto", "cpu", "cuda", "mps"))
        self._dtype = spec.choice("dtype", ("auto", "float32", "bfloat16", "float16"))
        self.spec = str(spec)
        self._who = f"teacher 'cross-encoder:{spec.model}'"
        self.score_key = self._key({})
        """As `key`, but without offset and scale: teachers that share it give the same scores."""
        self.key = self._key({"offset": self.offset, "scale": self.scale})
        fitted = self.offset != 0 or self.scale != 1
        self.description = (
            f"The reranker {Path(spec.model).name} on this machine scores document and label together. "
            + (
                "Its scores were turned into probabilities by people's decisions."
                if fitted
                else "Its scores are not calibrated: where yes begins, decisions of yours can tell it."
            )
        )

    def _key(self, calibration: dict[str, object]) -> str:
        spec = self._settings
        return teacher_key(
            model=f"cross-encoder {model_identity(spec.model, spec.text('revision', ''))}",
            prompt=f"{self.form} {_TEXTS}",
            decoding={"document_tokens": self.document_tokens, **calibration},
            label_text=self.form,
        )

    # ---- asking -------------------------------------------------------------------------------

    def judge(self, requests: Iterable[TeacherRequest]) -> Iterator[Answered | None]:
        """Answer requests; see `Teacher.judge`."""
        gathered: list[tuple[TeacherRequest, list[_Pair]]] = []
        n = 0
        for request in requests:
            pairs = self._pairs(request)
            gathered.append((request, pairs))
            n += sum(pair.tokens for pair in pairs)
            if n >= self._budget * _QUEUE:
                yield from self._answered(gathered)
                gathered, n = [], 0
        if gathered:
            yield from self._answered(gathered)

    def _answered(self, gathered: Sequence[tuple[TeacherRequest, list[_Pair]]]) -> Iterator[Answered | None]:
        pairs = [pair for _, part in gathered for pair in part]
        scores = [0.0] * len(pairs)
        for batch in self._batches(pairs):
            for i, score in zip(batch, self._scores([pairs[i].texts for i in batch]), strict=True):
                scores[i] = score
            yield None
        given = iter(scores)
        for request, part in gathered:
            yield Answered(request, tuple(self._answer(next(given), pair.tokens) for pair in part))
        yield None

    def estimate(self, requests: Sequence[TeacherRequest]) -> Estimate:
        """Count tokens as the model reads them; see `Teacher.estimate`."""
        return Estimate(sum(pair.tokens for request in requests for pair in self._pairs(request)))

    def probability(self, score: float) -> float:
        """P(yes) of a score."""
        logit = min(30.0, max(-30.0, self.scale * score + self.offset))
        return 1 / (1 + math.exp(-logit))

    def rescored(self, judgment: Judgment, given_by: CrossEncoderTeacher) -> Judgment | None:
        """Return what this teacher says of a pair that a teacher with the same scores has judged.

        Parameters
        ----------
        judgment : Judgment
        given_by : CrossEncoderTeacher
            Who gave it; differs from this one in offset and scale only.

        Returns
        -------
        Judgment or None
            Under this teacher's key, at no cost; None where no score was kept.
        """
        if given_by.score_key != self.score_key or judgment.teacher_key != given_by.key:
            raise TeacherError(
                f"teacher {self.spec!r}: scores of {given_by.spec!r} can't be used, since the teachers "
                "differ in more than offset and scale. Judge these pairs again."
            )
        score = raw_score(judgment.raw)
        if score is None:
            return None
        answer = self._answer(score, 0)
        return replace(
            judgment,
            teacher_key=self.key,
            verdict=answer.verdict,
            probability=answer.probability,
            tokens=0,
            tokens_out=0,
            cost=0.0,
        )

    def _answer(self, score: float, tokens: int) -> Answer:
        if not math.isfinite(score):
            return Answer("unparsed", None, tokens, raw=f"score {score}")
        # Rounded first, so that `rescored` gives what the model would give.
        score = round(score, 4)
        probability = self.probability(score)
        return Answer("yes" if probability > 0.5 else "no", probability, tokens, raw=f"score {score:.4f}")

    # ---- texts --------------------------------------------------------------------------------

    def _pairs(self, request: TeacherRequest) -> list[_Pair]:
        """Texts that the model reads for each label, and their tokens."""
        if not request.labels:
            return []
        from lmtx.teacher.language_model import cut, plain

        longest = min(self._max_length, _NO_LIMIT)
        tokenizer = self.model.tokenizer
        passage = cut(
            tokenizer, plain(request.document.full_text, self._control_tokens), self.document_tokens
        )
        texts: list[tuple[str, str]] = []
        cuts: dict[int, str] = {}
        for label in request.labels:
            query, overhead = self._query(label)
            room = max(1, min(self.document_tokens, longest - overhead))
            if room not in cuts:
                cuts[room] = cut(tokenizer, passage, room)
            texts.append(self._ordered(query, cuts[room]))
        return [_Pair(x, n) for x, n in zip(texts, self._lengths(texts), strict=True)]

    def _query(self, label: Label) -> tuple[str, int]:
        """What a label is asked as, and the tokens of a pair without a document."""
        found = self._queries.get(label.hash)
        if found is None:
            from lmtx.teacher.language_model import cut, plain

            query = plain(query_text(label, self.form), self._control_tokens)
            query = cut(self.model.tokenizer, query, min(self._max_length, _NO_LIMIT) // 2)
            if self._entailment is not None:
                query = _HYPOTHESIS.format(query)
            found = self._queries[label.hash] = query, self._lengths([self._ordered(query, "")])[0]
        return found

    def _ordered(self, query: str, passage: str) -> tuple[str, str]:
        return (query, passage) if self._entailment is None else (passage, query)

    @cached_property
    def _queries(self) -> dict[str, tuple[str, int]]:
        return {}

    @cached_property
    def _control_tokens(self) -> list[str]:
        from lmtx.teacher.language_model import control_tokens

        return control_tokens(self.model.tokenizer)

    @cached_property
    def _max_length(self) -> int:
        return int(self.model.max_seq_length or _NO_LIMIT)

    # ---- the model ----------------------------------------------------------------------------

    @cached_property
    def model(self) -> CrossEncoder:
        """The model; loaded when it is first asked."""
        from sentence_transformers import CrossEncoder

        from lmtx.teacher.language_model import chosen_device, chosen_dtype, is_path, quiet

        spec = self._settings
        device = chosen_device(self._device)
        # On a processor float32: in less, a score would depend a little on what it is computed along with.
        exact = device == "cpu" and self._dtype == "auto"
        dtype = chosen_dtype("float32" if exact else self._dtype, device)
        name = str(Path(spec.model).expanduser()) if is_path(spec.model) else spec.model
        try:
            with quiet():
                model = CrossEncoder(
                    name,
                    device=device,
                    revision=spec.text("revision", "") or None,
                    model_kwargs={"dtype": dtype},
                )
        except Exception as error:  # the loaders raise a dozen unrelated types
            raise TeacherError(
                f"{self._who}: can't be loaded ({_first_line(error)}). Give the hub name or the folder of a "
                "cross-encoder or reranker of sentence-transformers; a hub name needs the network the first "
                "time."
            ) from error
        self._check(model)
        return model

    @cached_property
    def _entailment(self) -> int | None:
        """Output that means entailment; None where the model has one output, its score."""
        return _entailment(self.model)

    def _check(self, model: CrossEncoder) -> None:
        """Refuse what loads, but was never trained to score pairs."""
        first = model[0]
        if model.num_labels > 1 and _entailment(model) is None:
            names = ", ".join(map(str, (getattr(model.config, "id2label", None) or {}).values()))
            raise TeacherSpecError(
                f"{self._who}: has {model.num_labels} outputs ({names[:200]}), expected one, or the two or "
                "three classes of entailment with one named 'entailment'. Choose a reranker."
            )
        task = getattr(first, "transformer_task", "")
        built = getattr(model.config, "architectures", None) or [""]
        if task == "sequence-classification" and not built[0].endswith("ForSequenceClassification"):
            raise TeacherSpecError(
                f"{self._who}: is a {built[0] or 'model'} without a trained output, whose scores would be "
                "random. Choose a cross-encoder or reranker."
            )
        # Any chat template renders any role, but to be asked about a pair it has to know these two.
        template = str(getattr(model.tokenizer, "chat_template", None) or "")
        instructed = ("query" in template and "document" in template) or model.default_prompt_name
        if task == "text-generation" and not instructed:
            raise TeacherSpecError(
                f"{self._who}: is a language model that does not say how a pair is shown to it. Ask it as "
                f"transformers:{self._settings.model}, or choose a reranker."
            )

    @cached_property
    def _prompt(self) -> str | None:
        """What the model was trained to read before a pair, or as its instruction."""
        name = self.model.default_prompt_name
        prompt: str | None = self.model.prompts.get(name) if name is not None else None
        return prompt

    @property
    def _budget(self) -> int:
        return _CPU_BUDGET if self.model.device.type == "cpu" else _GPU_BUDGET

    def _lengths(self, texts: Sequence[tuple[str, str]]) -> list[int]:
        try:
            mask = self.model.preprocess(list(texts), prompt=self._prompt)["attention_mask"]
        except Exception as error:  # templates and tokenizers raise what they like
            raise self._unusable(error) from error
        return [int(n) for n in mask.sum(1).tolist()]

    def _batches(self, pairs: Sequence[_Pair]) -> Iterator[list[int]]:
        """Indices of pairs for one forward each: the longest first, none padded much."""
        ordered = sorted(range(len(pairs)), key=lambda i: -pairs[i].tokens)
        at = 0
        while at < len(ordered):
            size = max(1, self._budget // max(1, pairs[ordered[at]].tokens))
            yield ordered[at : at + size]
            at += size

    def _scores(self, texts: Sequence[tuple[str, str]]) -> list[float]:
        """Raw scores: one output as it is, or the log-odds of entailment."""
        import torch

        try:
            found = self.model.predict(
                list(texts),
                batch_size=len(texts),
                activation_fn=torch.nn.Identity(),
                show_progress_bar=False,
                convert_to_tensor=True,
            )
        except torch.OutOfMemoryError:
            if len(texts) == 1:
                raise TeacherError(
                    f"teacher {self.spec!r}: not enough memory on {self.model.device} even for one document. "
                    "Choose a smaller model, a lower document_tokens, or add device=cpu."
                ) from None
            torch.cuda.empty_cache()
            half = len(texts) // 2
        except Exception as error:  # whatever a model's own code refuses with
            raise self._unusable(error) from error
        else:
            return _one_score(found, self._entailment)
        return self._scores(texts[:half]) + self._scores(texts[half:])

    def _unusable(self, error: Exception) -> TeacherError:
        return TeacherError(
            f"teacher {self.spec!r}: the model can't score a pair of texts ({_first_line(error)}). Choose a "
            "cross-encoder or reranker that loads with sentence-transformers."
        )


def query_text(label: Label, form: str) -> str:
    """What a label is asked as: its name, or "described" its name, aliases and definition."""
    if form == "name":
        return label.name
    named = f"{label.name} (also: {', '.join(label.aliases)})" if label.aliases else label.name
    return f"{named}: {label.description}" if label.description else named


def raw_score(raw: str) -> float | None:
    """Read the score out of `Answer.raw` or `Judgment.raw`; None where there is none."""
    found = _RAW.fullmatch(raw)
    return float(found[1]) if found else None


def calibrated_spec(spec: str, scores: Sequence[float], accepted: Sequence[bool]) -> str:
    """Fit offset and scale on people's decisions; returns the specification with them.

    Another offset or scale makes another key: verdicts given before stay with the old one. They need not be
    asked again, see `CrossEncoderTeacher.rescored`.

    Parameters
    ----------
    spec : str
        Of a cross-encoder; its own offset and scale are replaced.
    scores : sequence of float
        Raw scores of decided pairs, as `raw_score` reads them.
    accepted : sequence of bool
        Whether people wanted the label.

    Returns
    -------
    str
        Canonical.

    Raises
    ------
    InputError
        If there are too few decisions, all of one kind, or none that the scores agree with.

    References
    ----------
    Platt, Probabilistic outputs for support vector machines, 1999.
    """
    import numpy as np
    from sklearn.linear_model import LogisticRegression

    if len(scores) != len(accepted):
        raise ShapeError(f"calibration: {len(scores)} scores for {len(accepted)} decisions. Pass one each.")
    parsed = parse_spec(spec)
    if parsed.kind != "cross-encoder":
        raise TeacherSpecError(f"teacher {parsed.kind!r}: has no raw scores. Calibrate a cross-encoder.")
    x, y = np.asarray(scores, dtype=np.float64), np.asarray(accepted, dtype=bool)
    x, y = x[np.isfinite(x)], y[np.isfinite(x)]
    n_yes, n_no = int(y.sum()), int((~y).sum())
    if n_yes + n_no < MIN_DECISIONS:
        raise InputError(
            f"calibration: {n_yes + n_no} decided pairs have a score, expected at least {MIN_DECISIONS}. "
            f"Decide {MIN_DECISIONS - n_yes - n_no} more."
        )
    if not n_yes or not n_no:
        missing = "accepted" if n_no else "rejected"
        raise InputError(
            f"calibration: no pair was {missing}, expected at least 1. Decide some of both kinds."
        )
    # Platt's targets, as weights: scores that separate the decisions must not make the slope infinite.
    target = np.where(y, (n_yes + 1) / (n_yes + 2), 1 / (n_no + 2))
    centre, spread = float(x.mean()), float(x.std()) or 1.0
    column = ((x - centre) / spread)[:, None]
    fitted = LogisticRegression(C=1e4).fit(
        np.concatenate([column, column]),
        np.repeat([1, 0], len(x)),
        sample_weight=np.concatenate([target, 1 - target]),
    )
    scale = float(fitted.coef_[0, 0]) / spread
    if scale <= 1e-6:
        raise InputError(
            "calibration: accepted pairs do not score higher than rejected ones, so the scores say nothing "
            "about these decisions. Choose another model."
        )
    offset = float(fitted.intercept_[0]) - scale * centre
    values = {"offset": f"{offset:.6g}", "scale": f"{scale:.6g}"}
    return str(parse_spec(str(parsed.with_values(**values))))


def _entailment(model: Any) -> int | None:
    names = getattr(model.config, "id2label", None) or {}
    if model.num_labels not in (2, 3) or len(names) != model.num_labels:
        return None
    return next((int(i) for i, name in names.items() if str(name).lower() == "entailment"), None)


def _one_score(found: Any, entailment: int | None) -> list[float]:
    """Scores (n,) of outputs (n,) or (n, classes)."""
    if entailment is not None:
        rest = [i for i in range(found.shape[1]) if i != entailment]
        found = found[:, entailment] - found[:, rest].logsumexp(1)
    scores: list[float] = found.float().reshape(-1).tolist()
    return scores


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:300] if lines else type(error).__name__
