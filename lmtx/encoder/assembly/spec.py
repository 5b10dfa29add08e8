"""What an encoder is assembled of, as names and sizes. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal

from lmtx.errors import InputError

Start = Literal["default", "scratch"]

_WHOLE = {"width": 1, "hidden": 2, "layers": 1, "heads": 1, "kernel": 1, "max_length": 8}
_EMBEDDED = {"transformer": ("word", "position", "segment"), "static": ("static",), "pretrained": ()}
_LAYERS = {"transformer": 4, "gated_cnn": 2}


@dataclass(frozen=True)
class EncoderSpec:
    """An encoder by the names of its parts. Make one with `spec_of`, which fills in what depends on a name.

    Attributes
    ----------
    encoder : str
        Name of an entry of `ENCODERS`; "none" pools the embeddings themselves.
    embedding : tuple of str
        Names of entries of `EMBEDDINGS`.
    pooling : str or None
        Name of an entry of `POOLINGS`; None keeps that of a pre-trained encoder.
    head : tuple of str
        Names of entries of `HEADS`, in their order.
    start : {"default", "scratch"}
        Whether weights come from the base encoder, as far as they fit, or are random.
    width : int
        Length of a token's embedding; of the vectors of a static encoder.
    hidden : int
        Length of an encoded token; of a direction, where there are two.
    layers, heads, kernel : int
        Layers; attention heads of a transformer; tokens that a convolution sees at once.
    dense : int or None
        Length of the vector after the head "dense"; None: as before it.
    dropout : float
        Of a transformer.
    vocabulary : int or None
        Word pieces of a tokeniser that is trained on the corpus; None: the base encoder's tokeniser.
    max_length : int
        Tokens that are read of a text.
    label_tower : EncoderSpec or None
        Reads labels, where they are to have a tower of their own; its vectors must have the same length.
    """

    encoder: str = "pretrained"
    embedding: tuple[str, ...] = ()
    pooling: str | None = None
    head: tuple[str, ...] = ()
    start: Start = "default"
    width: int = 256
    hidden: int = 256
    layers: int = 1
    heads: int = 4
    kernel: int = 3
    dense: int | None = None
    dropout: float = 0.1
    vocabulary: int | None = None
    max_length: int = 256
    label_tower: EncoderSpec | None = None

    def __post_init__(self) -> None:
        """Refuse sizes that mean nothing; they come from forms and the command line."""
        whole = {**_WHOLE, **{n: 2 for n in ("dense", "vocabulary") if getattr(self, n) is not None}}
        for name, least in whole.items():
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise InputError(f"Encoder setting {name}: got {value!r}, expected {least} or more, whole.")
        if not isinstance(self.dropout, int | float) or not 0 <= self.dropout < 1:
            raise InputError(f"Encoder setting dropout: got {self.dropout!r}, expected 0 or more, below 1.")
        if self.start not in ("default", "scratch"):
            raise InputError(f"Encoder setting start: got {self.start!r}, expected 'default' or 'scratch'.")

    def json(self) -> dict[str, Any]:
        """Return the fields as JSON types; `spec_of` reads them."""
        found = asdict(self)
        found["embedding"], found["head"] = list(self.embedding), list(self.head)
        found["label_tower"] = None if self.label_tower is None else self.label_tower.json()
        return found


def spec_of(value: str | Mapping[str, Any] | EncoderSpec) -> EncoderSpec:
    """Read an encoder by name, or by fields of `EncoderSpec`; what is not named takes what fits the encoder.

    Raises
    ------
    InputError
        If a field does not exist or its value means nothing.
    """
    if isinstance(value, EncoderSpec):
        return value
    given: dict[str, Any] = {"encoder": value} if isinstance(value, str) else dict(value)
    known = {field.name for field in fields(EncoderSpec)}
    unknown = sorted(set(given) - known)
    if unknown:
        raise InputError(f"An encoder has no setting {unknown[0]!r}. Settings: {', '.join(sorted(known))}.")
    for name in ("embedding", "head"):
        if isinstance(given.get(name), str):
            given[name] = [x for x in given[name].replace("+", ",").split(",") if x]
        if name in given:
            given[name] = tuple(given[name] or ())
    encoder = str(given.get("encoder", "pretrained"))
    if encoder == "static" or given.get("embedding") == ("static",):
        encoder = given["encoder"] = "static"
    own = encoder != "pretrained"
    filled: dict[str, Any] = {
        "embedding": _EMBEDDED.get(encoder, ("word",)),
        "layers": _LAYERS.get(encoder, 1),
        "pooling": "mean" if own else None,
        "head": ("normalise",) if own else (),
        "start": "scratch" if own and encoder != "static" else "default",
    }
    # A field that says nothing is one that was not given: forms and files write all of them.
    given = {k: v for k, v in given.items() if v is not None and not (k == "embedding" and not v)}
    tower = given.pop("label_tower", None)
    spec = EncoderSpec(**{**filled, **given})
    return spec if tower is None else replace(spec, label_tower=spec_of(tower))


__all__ = ["EncoderSpec", "Start", "spec_of"]
