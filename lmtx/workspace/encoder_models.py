"""What a workspace says of encoders."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class EncoderEntry:
    """An encoder that can be used.

    Attributes
    ----------
    name : str
        Shown to people.
    encoder : str
        What to set `settings.encoder` to.
    in_use : bool
    pretrained : bool
        Whether it was pre-trained in this workspace.
    facts : dict
        What `Workspace.pretrain` returned, with "spec" and "objectives"; empty for others.
    """

    name: str
    encoder: str
    in_use: bool
    pretrained: bool
    facts: dict[str, Any]


@dataclass(frozen=True)
class EncoderPreview:
    """What an encoder would be.

    Attributes
    ----------
    modules : tuple of str
        In their order, in words.
    parameters, bytes : int
        Numbers of the model, and their size in float32.
    dim : int
        Length of a vector.
    documents_per_second : float or None
        Measured on documents of the corpus; None where there is none.
    """

    modules: tuple[str, ...]
    parameters: int
    bytes: int
    dim: int
    documents_per_second: float | None


@dataclass(frozen=True)
class ZooEntry:
    """A configuration that was tried.

    Attributes
    ----------
    name, title : str
    encoder : dict
        Fields of `EncoderSpec`, for `Workspace.pretrain(encoder=...)`.
    objectives : dict of str to float
    steps : int
    config : dict
        Fields of `PretrainConfig`.
    measured : tuple of dict
        One for each corpus: "corpus", "zero-shot P@1", "zero-shot R@10", "cycle P@1", "cycle R@10",
        "documents_per_second", "cpu_seconds"; empty where nothing was measured.
    """

    name: str
    title: str
    encoder: dict[str, Any]
    objectives: dict[str, float]
    steps: int
    config: dict[str, Any]
    measured: tuple[dict[str, Any], ...]
