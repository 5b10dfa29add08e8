"""The verb that pre-trains an encoder."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

import typer

from lmtx.cli.common import ConsoleProgress, Json, Set, answer, open_workspace, settings_of
from lmtx.errors import InputError

Objectives = Annotated[
    str | None,
    typer.Option(metavar="NAME=WEIGHT,...", help="Objectives and weights, e.g. mlm=1,inverse_cloze=0.5."),
]
Part = Annotated[
    list[str] | None,
    typer.Option("--part", metavar="NAME=VALUE", help="Part or size of the encoder, e.g. pooling=max."),
]


def register(app: typer.Typer) -> None:
    """Add this verb."""
    app.command()(pretrain)


def pretrain(
    context: typer.Context,
    out: Annotated[str | None, typer.Option(metavar="NAME", help="Name; saved in encoders/NAME.")] = None,
    start: Annotated[
        Literal["default", "scratch"] | None,
        typer.Option("--from", help="Weights of the workspace's encoder as far as they fit, or random ones."),
    ] = None,
    encoder: Annotated[
        str, typer.Option(help="Encoder to assemble, e.g. bigru, or JSON of all its parts.")
    ] = "pretrained",
    part: Part = None,
    objectives: Objectives = None,
    steps: Annotated[int, typer.Option(min=0, help="Training steps; 0 only assembles or distils.")] = 500,
    option: Set = None,
    parts: Annotated[bool, typer.Option("--parts", help="List the parts and objectives, and end.")] = False,
    as_json: Json = False,
) -> None:
    """Train an encoder on the texts of this corpus; started again, it goes on where it was stopped.

    `lmtx pretrain --out mine --objectives mlm=1,inverse_cloze=1 --steps 2000` continues the encoder in use.
    The result is a sentence-transformers model; `lmtx settings encoder=PATH` uses it.
    """
    if parts:
        _list(as_json)
        return
    if out is None:
        raise InputError("A name is missing. Add --out NAME, for example --out mine.")
    spec: dict[str, Any] = json.loads(encoder) if encoder.lstrip().startswith("{") else {"encoder": encoder}
    spec |= settings_of(part)
    if start is not None:
        spec["start"] = start
    with open_workspace(context, own_index=False) as workspace, ConsoleProgress(context) as progress:
        facts = workspace.pretrain(
            out, spec, weights_of(objectives), steps, progress=progress, **settings_of(option)
        )
        progress.end()
        answer(facts, as_json, lambda: _text(facts))


def weights_of(text: str | None) -> dict[str, float] | None:
    """Objectives that were given as NAME=WEIGHT, commas between; a name alone weighs 1."""
    if text is None:
        return None
    found: dict[str, float] = {}
    for item in filter(None, (x.strip() for x in text.split(","))):
        name, _, weight = item.partition("=")
        try:
            found[name] = float(weight or 1)
        except ValueError as error:
            raise InputError(f"--objectives {item!r}: expected NAME=WEIGHT, e.g. mlm=0.5.") from error
    return found


def _list(as_json: bool) -> None:
    from lmtx.workspace.pretraining import encoder_parts

    found = encoder_parts()
    lines = [
        f"{kind}:\n" + "\n".join(f"  {name:<20} {about}" for name, about in names.items())
        for kind, names in found.items()
    ]
    answer(found, as_json, "\n".join(lines))


def _text(facts: dict[str, Any]) -> str:
    lines = [
        f"{facts['path']}: {facts['parameters']:,} parameters ({facts['bytes'] / 1e6:.0f} MB), vectors of "
        f"{facts['dim']}, {facts['steps']:,} steps on {facts['documents']:,} documents in "
        f"{facts['seconds']:.0f} s ({facts['cpu_seconds']:.0f} CPU s)."
    ]
    lines += [
        f"  {name}: loss {facts['first'][name]:.3f} -> {last:.3f}" for name, last in facts["last"].items()
    ]
    return "\n".join(lines)
