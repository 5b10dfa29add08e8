"""A causal language model that reads a document once and all questions about it behind that prefix.

Three ways to compute the same thing, cheapest first:

packed
    One row of tokens holds documents and, behind each, all its questions. A 4-D mask lets a question see its
    own document and itself, and positions start again behind the document, so that each question stands
    where it would stand alone. One forward, no padding.
shared
    The document's key-value cache, repeated for a batch of its questions.
plain
    A batch of whole prompts, each with its document; what the others are verified against.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from lmtx.errors import TeacherError

_log = logging.getLogger(__name__)

Mode = Literal["packed", "shared", "plain"]
MODES: tuple[Mode, ...] = ("packed", "shared", "plain")

TOLERANCE = {"float32": 2e-3, "float16": 3e-2, "bfloat16": 0.1}
"""Largest difference of a probability from the plain forward's that a cheaper way may show.

That of bfloat16 lies between what 24 checks of SmolLM2 gave: packed as it should be .03 to .09 (plain ones in
another batch .02 to .06), without the restart of positions .11 to .33, without the mask .18 to .43.
"""

_CPU_BUDGET, _GPU_BUDGET = 640, 8192
"""Tokens of a forward: attention grows with the square, and a processor gains nothing from long rows."""

_CHECKED_TOKENS = 64

Tokens = list[int]


@dataclass(frozen=True)
class Block:
    """A document's tokens and those of the questions behind it, answer position last."""

    document: Tokens
    questions: list[Tokens]

    @property
    def n_tokens(self) -> int:
        """Tokens of a packed forward."""
        return len(self.document) + sum(map(len, self.questions))


@dataclass(frozen=True)
class Said:
    """Probability mass of the yes and of the no words at a question's answer position."""

    yes: float
    no: float

    @property
    def mass(self) -> float:
        """How much of the probability is on yes and no at all."""
        return self.yes + self.no

    @property
    def probability(self) -> float:
        """P(yes) given that the answer is yes or no; one half where neither has any mass."""
        return self.yes / self.mass if self.mass > 0 else 0.5


class LanguageModel:
    """A causal language model with a chat template, loaded when it is first needed.

    Parameters
    ----------
    name : str
        Hub name, folder, or path of a `.gguf` file (a hub file as `owner/repository/file.gguf`).
    revision : str
        Of a hub name.
    device : {"auto", "cpu", "cuda", "mps"}
    dtype : {"auto", "float32", "bfloat16", "float16"}
        "auto": as stored on a GPU, float32 on a CPU unless it computes bfloat16 natively.
    mode : {"auto", "packed", "shared", "plain"}
        "auto": the cheapest that agrees with the plain forward on the first documents.

    Raises
    ------
    TeacherError
        From methods, if the model can't be loaded or has no chat template.
    """

    def __init__(
        self, name: str, *, revision: str = "", device: str = "auto", dtype: str = "auto", mode: str = "auto"
    ) -> None:
        self.name, self.revision = name, revision
        self._device, self._dtype = device, dtype
        self.mode: Mode | None = None if mode == "auto" else mode  # type: ignore[assignment]
        self.budget = 0
        self._model: Any = None
        self._tokenizer: Any = None
        self._words: dict[tuple[str, str], tuple[torch.Tensor, torch.Tensor]] = {}
        self.n_forward_tokens = 0

    # ---- loading ------------------------------------------------------------------------------

    @property
    def tokenizer(self) -> Any:
        """The model's tokenizer; loads no weights."""
        if self._tokenizer is None:
            from transformers import AutoTokenizer

            self._tokenizer = self._loaded(AutoTokenizer.from_pretrained)
            if not self._tokenizer.chat_template:
                raise TeacherError(
                    f"teacher {self.name!r}: the model has no chat template, so it can't be asked. Choose an "
                    "instruction-tuned model, whose name often ends in Instruct, Chat or it."
                )
        return self._tokenizer

    @property
    def model(self) -> Any:
        """The model, with its weights."""
        if self._model is None:
            from transformers import AutoModelForCausalLM

            device = chosen_device(self._device)
            options: dict[str, Any] = {"dtype": chosen_dtype(self._dtype, device)}
            if device == "cuda":
                options["device_map"] = "auto"
            if self.name.endswith(".gguf"):
                from transformers import GgufConfig

                options["quantization_config"] = GgufConfig(dequantize=True)
            model = self._loaded(AutoModelForCausalLM.from_pretrained, **options)
            self._model = (model if "device_map" in options else model.to(device)).eval()
            self.budget = self.budget or (_CPU_BUDGET if device == "cpu" else _GPU_BUDGET)
        return self._model

    def _loaded(self, load: Any, **options: Any) -> Any:
        place, extra = self._place()
        try:
            with quiet():
                return load(place, **extra, **options)
        except Exception as error:  # the loaders raise a dozen unrelated types
            first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise TeacherError(
                f"teacher 'transformers:{self.name}': can't be loaded ({first}). Give the hub name or the "
                "folder of a causal language model with a chat template, or the path of a .gguf file; a hub "
                "name needs the network the first time."
            ) from error

    def _place(self) -> tuple[str, dict[str, Any]]:
        extra: dict[str, Any] = {"revision": self.revision} if self.revision else {}
        if not self.name.endswith(".gguf"):
            return str(Path(self.name).expanduser()) if is_path(self.name) else self.name, extra
        folder, _, file = self.name.rpartition("/")
        return str(Path(folder or ".").expanduser()) if is_path(self.name) else folder, {
            **extra,
            "gguf_file": file,
        }

    # ---- tokens -------------------------------------------------------------------------------

    def encode(self, text: str) -> Tokens:
        """Tokens of a piece of a rendered prompt, whose special tokens are in the text."""
        found: Tokens = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        return found

    def cut(self, text: str, limit: int) -> str:
        """Text up to so many of this model's tokens."""
        return cut(self.tokenizer, text, limit)

    def plain(self, text: str) -> str:
        """Text with this model's control tokens broken up; see `plain`."""
        return plain(text, self._control_tokens)

    @cached_property
    def _control_tokens(self) -> list[str]:
        return control_tokens(self.tokenizer)

    def chat(self, messages: Sequence[dict[str, str]]) -> str:
        """Messages as this model's chat template writes them, up to where the answer begins."""
        tokenizer = self.tokenizer
        try:
            # Models that think aloud are to answer at once; templates without that switch ignore it.
            text: str = tokenizer.apply_chat_template(
                list(messages), tokenize=False, add_generation_prompt=True, enable_thinking=False
            )
        except Exception as error:  # templates raise what they like, often about the system role
            if messages and messages[0]["role"] == "system" and len(messages) > 1:
                first, second = messages[0], messages[1]
                joined = {"role": second["role"], "content": f"{first['content']}\n\n{second['content']}"}
                return self.chat([joined, *messages[2:]])
            raise TeacherError(
                f"teacher {self.name!r}: its chat template refuses the messages ({error})."
            ) from error
        return text

    def words(self, yes: str, no: str) -> tuple[torch.Tensor, torch.Tensor]:
        """Token ids of all ways to begin an answer with these words: case, leading space, quotes."""
        if (yes, no) not in self._words:
            vocabulary = self.tokenizer.get_vocab()
            ids = sorted(set(vocabulary.values()))
            texts = self.tokenizer.batch_decode([[i] for i in ids])
            found: dict[str, list[int]] = {yes: [], no: []}
            for i, text in zip(ids, texts, strict=True):
                word = text.strip(" \t\n\"'`*_.,:").lower()
                if word in found:
                    found[word].append(i)
            if not found[yes] or not found[no]:
                raise TeacherError(
                    f"teacher {self.name!r}: its vocabulary has no single token for {yes!r} or for {no!r}. "
                    "Use an endpoint or another model."
                )
            self._words[yes, no] = (torch.tensor(found[yes]), torch.tensor(found[no]))
        return self._words[yes, no]

    # ---- judging ------------------------------------------------------------------------------

    def say(self, blocks: Sequence[Block], words: tuple[torch.Tensor, torch.Tensor]) -> list[list[Said]]:
        """Yes and no at every question's end; verifies the way that is used on the first call.

        Parameters
        ----------
        blocks : sequence of Block
        words : pair of LongTensor
            From `words`.

        Returns
        -------
        list of list of Said
            One list a block, one entry a question.
        """
        asked = [block for block in blocks if block.questions]
        if not asked:
            return [[] for _ in blocks]
        if self.mode is None:
            self.mode = self._verified(asked[0], words)
        if self.mode == "plain" or not self._window:
            return self._by(self.mode, blocks, words)
        far = [len(b.document) + max(map(len, b.questions), default=0) > self._window for b in blocks]
        near = iter(self._by(self.mode, [b for b, f in zip(blocks, far, strict=True) if not f], words))
        plain = iter(self._by("plain", [b for b, f in zip(blocks, far, strict=True) if f], words))
        return [next(plain if f else near) for f in far]

    @cached_property
    def _window(self) -> int:
        """Tokens that some layers look back, 0 where all see everything: a mask of ours ignores that."""
        config = self.model.config.get_text_config()
        types = set(getattr(config, "layer_types", None) or ())
        windows = [
            getattr(config, "sliding_window", None) if "sliding_attention" in types or not types else None,
            getattr(config, "attention_chunk_size", None) if "chunked_attention" in types else None,
        ]
        return min(filter(None, windows), default=0)

    def _verified(self, block: Block, words: tuple[torch.Tensor, torch.Tensor]) -> Mode:
        counted = self.n_forward_tokens
        # Two more that are short, so that they stand in one row and must not see each other.
        questions = [q[-_CHECKED_TOKENS:] for q in block.questions[:3]]
        checked = [
            Block(block.document, block.questions[:4]),
            Block(block.document[:_CHECKED_TOKENS], questions[::-1] * 2),
            Block(block.document[-_CHECKED_TOKENS:], questions),
        ]
        plain = self._probabilities("plain", checked, words)
        limit = TOLERANCE.get(str(self.model.dtype).removeprefix("torch."), 0.1)
        for mode in MODES[:2]:
            try:
                found = self._probabilities(mode, checked, words)
            except torch.OutOfMemoryError:
                raise
            except Exception as error:  # whatever a model's own code refuses with
                _log.warning("teacher %s: %s forward refused: %s", self.name, mode, error)
                continue
            gap = float(np.abs(np.subtract(found, plain)).max(initial=0.0))
            if gap <= limit:
                self.n_forward_tokens = counted  # what was done to verify is not the judging's
                return mode
            _log.warning("teacher %s: %s forward differs from the plain by %.4f", self.name, mode, gap)
        self.n_forward_tokens = counted
        return "plain"

    def _probabilities(
        self, mode: str, blocks: Sequence[Block], words: tuple[torch.Tensor, torch.Tensor]
    ) -> list[float]:
        return [said.probability for found in self._by(mode, blocks, words) for said in found]

    def _by(
        self, mode: str, blocks: Sequence[Block], words: tuple[torch.Tensor, torch.Tensor]
    ) -> list[list[Said]]:
        model = self.model
        with torch.inference_mode():
            try:
                if mode == "packed":
                    return self._packed(model, blocks, words)
                if mode == "shared":
                    return [self._shared(model, block, words) for block in blocks]
                return [self._plain(model, block, words) for block in blocks]
            except torch.OutOfMemoryError:
                if self.budget <= 256:
                    raise TeacherError(
                        f"teacher {self.name!r}: not enough memory on {model.device} even for one document. "
                        "Choose a smaller model, or add device=cpu."
                    ) from None
                self.budget //= 2
                torch.cuda.empty_cache()
        return self._by(mode, blocks, words)

    def _packed(
        self, model: Any, blocks: Sequence[Block], words: tuple[torch.Tensor, torch.Tensor]
    ) -> list[list[Said]]:
        found: list[list[Said]] = [[] for _ in blocks]
        for row in _rows(blocks, self.budget):
            ids, positions, mask, ends = _packed_row([part for _, part in row])
            logits = model(
                input_ids=ids.to(model.device),
                position_ids=positions.to(model.device),
                attention_mask=_additive(mask, model.dtype).to(model.device),
                logits_to_keep=ends.to(model.device),
                use_cache=False,
            ).logits[0]
            self.n_forward_tokens += ids.numel()
            said = iter(_said(logits, words))
            for i, part in row:
                found[i] += [next(said) for _ in part.questions]
        return found

    def _shared(self, model: Any, block: Block, words: tuple[torch.Tensor, torch.Tensor]) -> list[Said]:
        from transformers import DynamicCache

        found: list[Said] = []
        size = max(1, self.budget // (max(map(len, block.questions)) + len(block.document)))
        prefix = torch.tensor([block.document], device=model.device)
        start: Any = DynamicCache(config=model.config)
        model(input_ids=prefix, past_key_values=start, use_cache=True, logits_to_keep=1)
        self.n_forward_tokens += prefix.numel()
        legacy = [(layer.keys, layer.values) for layer in start.layers]
        for at in range(0, len(block.questions), size):
            part = block.questions[at : at + size]
            longest = max(map(len, part))
            cache = DynamicCache(config=model.config)
            for i, (keys, values) in enumerate(legacy):
                cache.update(keys.repeat(len(part), 1, 1, 1), values.repeat(len(part), 1, 1, 1), i)
            ids = torch.zeros((len(part), longest), dtype=torch.long)
            mask = torch.zeros((len(part), len(block.document) + longest), dtype=torch.long)
            mask[:, : len(block.document)] = 1
            for i, question in enumerate(part):
                ids[i, : len(question)] = torch.tensor(question)
                mask[i, len(block.document) : len(block.document) + len(question)] = 1
            ends = torch.tensor([len(q) - 1 for q in part])
            logits = model(
                input_ids=ids.to(model.device),
                attention_mask=mask.to(model.device),
                position_ids=(len(block.document) + torch.arange(longest)).expand_as(ids).to(model.device),
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=torch.unique(ends).to(model.device),
            ).logits
            self.n_forward_tokens += ids.numel()
            column = torch.searchsorted(torch.unique(ends), ends)
            found += _said(logits[torch.arange(len(part)), column.to(logits.device)], words)
        return found

    def _plain(self, model: Any, block: Block, words: tuple[torch.Tensor, torch.Tensor]) -> list[Said]:
        found: list[Said] = []
        prompts = [block.document + q for q in block.questions]
        size = max(1, self.budget // max(map(len, prompts)))
        for at in range(0, len(prompts), size):
            part = prompts[at : at + size]
            longest = max(map(len, part))
            ids = torch.zeros((len(part), longest), dtype=torch.long)
            mask = torch.zeros_like(ids)
            for i, prompt in enumerate(part):
                ids[i, longest - len(prompt) :] = torch.tensor(prompt)
                mask[i, longest - len(prompt) :] = 1
            logits = model(
                input_ids=ids.to(model.device),
                attention_mask=mask.to(model.device),
                position_ids=(mask.cumsum(1) - 1).clamp(min=0).to(model.device),
                logits_to_keep=1,
                use_cache=False,
            ).logits[:, -1]
            self.n_forward_tokens += int(mask.sum())
            found += _said(logits, words)
        return found

    def generate(self, prompt: Tokens, *, max_new_tokens: int, enough: int) -> tuple[str, int]:
        """Write an answer, greedily, until it ends or has so many characters; returns it and its tokens."""
        from transformers import StoppingCriteria, StoppingCriteriaList

        tokenizer, n = self.tokenizer, len(prompt)

        class Enough(StoppingCriteria):
            def __call__(self, ids: torch.Tensor, scores: torch.Tensor, **options: Any) -> torch.Tensor:
                text = tokenizer.decode(ids[0, n:], skip_special_tokens=True)
                text = text.rstrip("\ufffd")  # a character of which a part is still to come
                return torch.tensor([len(text.strip()) >= enough], device=ids.device)

        ids = torch.tensor([prompt], device=self.model.device)
        with torch.inference_mode():
            out = self.model.generate(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                max_new_tokens=max_new_tokens,
                do_sample=False,
                temperature=None,
                top_p=None,
                top_k=None,
                pad_token_id=tokenizer.pad_token_id or tokenizer.eos_token_id,
                stopping_criteria=StoppingCriteriaList([Enough()] if enough else []),
            )[0, n:]
        self.n_forward_tokens += n + len(out)
        return tokenizer.decode(out, skip_special_tokens=True).strip(), len(out)


def chosen_device(wanted: str) -> str:
    """Return the device to compute on; "auto" takes a GPU where there is one."""
    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        torch.zeros(1, device=wanted)
    except (RuntimeError, AssertionError) as error:
        raise TeacherError(
            f"device {wanted!r}: not usable here ({str(error).splitlines()[0]}). Leave it out, or take cpu."
        ) from error
    return wanted


def chosen_dtype(wanted: str, device: str) -> torch.dtype:
    """Return the precision to compute in; "auto" takes the quick one that the device computes natively."""
    if wanted != "auto":
        found: torch.dtype = getattr(torch, wanted)
        return found
    if device == "cpu":
        return torch.bfloat16 if torch.cpu._is_amx_tile_supported() else torch.float32
    return torch.bfloat16 if device == "cuda" else torch.float16


def cut(tokenizer: Any, text: str, limit: int) -> str:
    """Text up to so many tokens of a tokenizer."""
    if len(text.encode(errors="replace")) <= limit:  # no token is shorter than a byte
        return text
    # A prefix is enough to find where to cut: tokens of more than 16 characters hardly occur in a row.
    piece = text[: 16 * limit]
    offsets = tokenizer(piece, add_special_tokens=False, return_offsets_mapping=True, verbose=False)[
        "offset_mapping"
    ]
    # Up to where the first token left out begins: a character may be several tokens.
    return piece if len(offsets) <= limit else piece[: offsets[limit][0]]


def control_tokens(tokenizer: Any) -> list[str]:
    """Texts that a tokenizer reads as control tokens, longest first."""
    added = tokenizer.added_tokens_decoder.values()
    return sorted({t.content for t in added if t.special and len(t.content) > 1}, key=len, reverse=True)


def plain(text: str, control: Sequence[str]) -> str:
    """Text with control tokens broken up, so that no document speaks for the user."""
    for token in control:
        if token in text:
            text = text.replace(token, f"{token[0]} {token[1:]}")
    return text


@contextmanager
def quiet() -> Iterator[None]:
    """No progress bars while a model is loaded: they would fill a job's log."""
    from transformers.utils import logging as transformers_logging

    shown = transformers_logging.is_progress_bar_enabled()
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        if shown:
            transformers_logging.enable_progress_bar()  # type: ignore[no-untyped-call]


def is_path(name: str) -> bool:
    """Whether a model's name means a file or folder on this machine."""
    return name.startswith(("/", ".", "~")) or Path(name).expanduser().exists()


def _rows(blocks: Sequence[Block], budget: int) -> Iterator[list[tuple[int, Block]]]:
    """Split blocks into rows of at most `budget` tokens; one with too many questions goes into several."""
    row: list[tuple[int, Block]] = []
    room = budget
    for i, block in enumerate(blocks):
        rest = block.questions
        while rest:
            free = room - len(block.document)
            n = 0
            while n < len(rest) and free >= len(rest[n]):
                free -= len(rest[n])
                n += 1
            if n < len(rest) and row:  # does not fit behind others: a row of its own
                yield row
                row, room = [], budget
                continue
            if n < len(rest):
                # Fits nowhere whole. Up to as many tokens of questions as the document has, a row that is
                # too long costs less than reading the document again.
                ends = np.cumsum([len(q) for q in rest])
                longer = int(np.searchsorted(ends, min(len(block.document), budget), side="right"))
                n = max(n, longer, min(len(rest), 8))
                free = 0
            row.append((i, Block(block.document, rest[:n])))
            rest, room = rest[n:], free
            if rest:
                yield row
                row, room = [], budget
    if row:
        yield row


def _packed_row(
    blocks: Sequence[Block],
) -> tuple[torch.Tensor, torch.Tensor, NDArray[np.bool_], torch.Tensor]:
    """Tokens (1, n), positions (1, n), what sees what (n, n), and where each question ends."""
    n = sum(b.n_tokens for b in blocks)
    ids: Tokens = []
    positions: list[int] = []
    ends: list[int] = []
    mask = np.zeros((n, n), dtype=np.bool_)
    for block in blocks:
        start, length = len(ids), len(block.document)
        ids += block.document
        positions += range(length)
        mask[start : start + length, start : start + length] = np.tri(length, dtype=np.bool_)
        for question in block.questions:
            at = len(ids)
            ids += question
            positions += range(length, length + len(question))
            mask[at : at + len(question), start : start + length] = True
            mask[at : at + len(question), at : at + len(question)] = np.tri(len(question), dtype=np.bool_)
            ends.append(len(ids) - 1)
    return torch.tensor([ids]), torch.tensor([positions]), mask, torch.tensor(ends)


def _additive(mask: NDArray[np.bool_], dtype: torch.dtype) -> torch.Tensor:
    allowed = torch.from_numpy(mask)
    return torch.zeros(allowed.shape, dtype=dtype).masked_fill_(~allowed, torch.finfo(dtype).min)[None, None]


def _said(logits: torch.Tensor, words: tuple[torch.Tensor, torch.Tensor]) -> list[Said]:
    share = logits.float().softmax(-1)
    yes = share[:, words[0].to(share.device)].sum(-1).tolist()
    no = share[:, words[1].to(share.device)].sum(-1).tolist()
    return [Said(float(y), float(n)) for y, n in zip(yes, no, strict=True)]
