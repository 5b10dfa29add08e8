"""Verbs that ask teachers, and say what that would take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from lmtx.cli.common import (
    ConsoleProgress,
    Json,
    Set,
    answer,
    fields,
    index_in_step,
    open_workspace,
    settings_of,
    table,
)
from lmtx.errors import InputError

if TYPE_CHECKING:
    from lmtx.workspace import TeachPreview

Teacher = Annotated[
    str | None,
    typer.Option(
        help="'evidence' (no LLM), 'transformers:MODEL', 'openai:MODEL,base_url=URL', 'cross-encoder:MODEL', "
        "'simulated:recall=0.85,noise=0.05,seed=0'; see `lmtx teachers`; default: last used."
    ),
]
BaseUrl = Annotated[
    str | None, typer.Option(help="Where the server of an 'openai:' teacher is: http://127.0.0.1:8000/v1.")
]
LimitDocs = Annotated[int | None, typer.Option(min=1, help="Only so many documents, in a seeded order.")]
Pairs = Annotated[int | None, typer.Option("--budget-pairs", min=1, help="Ask about at most so many pairs.")]
Tokens = Annotated[
    int | None, typer.Option("--budget-tokens", min=1, help="Read and write at most so many tokens.")
]
Dollars = Annotated[
    float | None,
    typer.Option("--budget-dollars", min=0, help="At the teacher's prices (price_in, price_out)."),
]
Minutes = Annotated[
    float | None, typer.Option("--budget-minutes", min=0, help="Ask about nothing new after so long.")
]
Student = Annotated[
    Literal["adapter", "finetune", "official"],
    typer.Option(
        help="'adapter': a layer on the frozen encoder. 'finetune': rounds with an adapter, then the whole "
        "encoder. 'official': the published procedure, every round trains the encoder anew."
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be asked, and what it takes.")]


def register(app: typer.Typer) -> None:
    """Add these verbs."""
    for verb in (teachers, consent, teach, calibrate, cycle):
        app.command()(verb)


def teachers(context: typer.Context, as_json: Json = False) -> None:
    """List the kinds of teachers, and those that have judged in this workspace with what they took."""
    from lmtx.teacher import TEACHERS

    kinds = [{"spec": k.spec, "is": k.title, "parameters": ", ".join(k.parameters)} for k in TEACHERS]
    with open_workspace(context, own_index=False) as workspace:
        used = [
            {
                "teacher": t.spec,
                "pairs": t.n_judgments,
                "yes": t.n_yes,
                "unparsed": t.n_unparsed,
                "tokens": t.tokens,
                "dollars": round(t.cost, 4),
                "key": t.key,
            }
            for t in workspace.journal.teachers()
        ]
    shown = table(kinds, ["spec", "is", "parameters"])
    if used:
        shown += "\n\n" + table(used, ["teacher", "pairs", "yes", "unparsed", "tokens", "dollars"])
    answer({"kinds": kinds, "used": used}, as_json, shown)


def consent(
    context: typer.Context,
    host: Annotated[str, typer.Argument(help="Name of the machine, e.g. api.example.org.")],
    withdraw: Annotated[
        bool, typer.Option("--withdraw", help="Texts may not be sent there any more.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Allow that texts of this workspace are sent to a machine."""
    with open_workspace(context, own_index=False) as workspace:
        workspace.consent(host, withdraw=withdraw)
        said = "may not be sent" if withdraw else "may be sent"
        hosts = list(workspace.settings.consented_hosts)
        answer({"consented_hosts": hosts}, as_json, f"Texts of this workspace {said} to {host}.")


def teach(
    context: typer.Context,
    teacher: Teacher = None,
    base_url: BaseUrl = None,
    top_k: Annotated[int | None, typer.Option(min=1, help="Labels of a document to ask about.")] = None,
    limit_docs: LimitDocs = None,
    pairs: Pairs = None,
    tokens: Tokens = None,
    dollars: Dollars = None,
    minutes: Minutes = None,
    only_changed: Annotated[
        bool, typer.Option("--only-changed", help="Only pairs it has judged whose texts have changed since.")
    ] = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Ask the teacher about each document's shortlist; no pair is asked twice."""
    spec = with_base_url(teacher, base_url)
    with open_workspace(context) as workspace, ConsoleProgress(context) as progress:
        if dry_run:
            preview = workspace.teach_preview(spec, top_k, limit_docs, only_changed=only_changed)
            progress.end()
            answer(preview, as_json, lambda: what_it_takes(preview))
            return
        report = workspace.teach(
            spec,
            top_k,
            limit_docs,
            budget=budget_of(pairs, tokens, dollars, minutes),
            only_changed=only_changed,
            progress=progress,
        )
        index_in_step(workspace, progress)
        progress.end()
        answer(report, as_json, lambda: fields(report))


def calibrate(
    context: typer.Context,
    teacher: Annotated[
        str | None, typer.Option(help="Specification of a 'cross-encoder:' teacher; default: last used.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Let decisions say where a reranker's yes begins; no model is asked again."""
    with open_workspace(context) as workspace, ConsoleProgress(context) as progress:
        wanted = teacher or workspace.settings.teacher
        row = next((t for t in reversed(workspace.journal.teachers()) if t.spec == wanted), None)
        if row is None:
            raise InputError(
                f"Teacher {wanted!r} has judged nothing here. `lmtx teachers` lists those that have."
            )
        spec = workspace.calibrate(row.key, progress)
        index_in_step(workspace, progress)
        progress.end()
        answer({"teacher": spec}, as_json, f"The teacher is now {spec}.")


def cycle(
    context: typer.Context,
    teacher: Teacher = None,
    base_url: BaseUrl = None,
    rounds: Annotated[int | None, typer.Option(min=1, help="Rounds at most.")] = None,
    limit_docs: LimitDocs = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the order and of training.")] = None,
    pairs: Pairs = None,
    tokens: Tokens = None,
    dollars: Dollars = None,
    minutes: Minutes = None,
    student: Student = "adapter",
    option: Set = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Run rounds of shortlist, judge, train, score; starting it again goes on where it stopped."""
    spec = with_base_url(teacher, base_url)
    with open_workspace(context) as workspace, ConsoleProgress(context) as progress:
        if dry_run:
            n_rounds = rounds or workspace.settings.rounds
            preview = workspace.teach_preview(spec, None, limit_docs, rounds=n_rounds)
            progress.end()
            answer(preview, as_json, lambda: what_it_takes(preview))
            return
        budget = budget_of(pairs, tokens, dollars, minutes)
        report = workspace.cycle(
            spec,
            rounds,
            limit_docs,
            seed,
            progress,
            budget=budget,
            student=student,
            **settings_of(option),
        )
        index_in_step(workspace, progress)
        progress.end()
        answer(report, as_json, lambda: fields(report))


def with_base_url(teacher: str | None, base_url: str | None) -> str | None:
    """Return a specification with the server's address in it."""
    if base_url is None:
        return teacher
    from lmtx.teacher import parse_spec

    if teacher is None or not teacher.startswith("openai:"):
        raise InputError("--base-url: goes with --teacher openai:MODEL alone. Name the model, too.")
    return str(parse_spec(teacher).with_values(base_url=base_url))


def budget_of(
    pairs: int | None, tokens: int | None, dollars: float | None, minutes: float | None
) -> dict[str, float | None]:
    """Limits by name, as `Workspace.teach` takes them."""
    return {"pairs": pairs, "tokens": tokens, "dollars": dollars, "minutes": minutes}


def what_it_takes(preview: TeachPreview) -> str:
    """Lines that a dry run prints."""
    lines = [
        preview.description,
        f"{preview.n_documents} documents, {preview.n_pairs} pairs: {preview.n_cached} judged already, "
        f"{preview.n_open} to ask.",
    ]
    estimate = preview.estimate
    if estimate is None:
        lines.append("Tokens are not known yet: to choose candidates takes vectors. `lmtx embed` makes them.")
    elif preview.is_llm:
        how = "counted with the model's tokenizer" if estimate.exact else "estimated from characters"
        written = f"{estimate.tokens_out_low:,} to {estimate.tokens_out_high:,}"
        lines.append(f"{estimate.tokens_in:,} tokens to read ({how}), {written} to write.")
        if estimate.cost_high:
            money = f"{estimate.cost_low:.2f} to {estimate.cost_high:.2f}"
            lines.append(f"{money} dollars at the prices given.")
    if preview.n_later and preview.is_llm:
        most = preview.later.tokens_in + preview.later.tokens_out_high
        money = f" and {preview.later.cost_high:.2f} dollars" if preview.later.cost_high else ""
        later = "Later rounds and held-out documents"
        lines.append(f"{later}: 0 to {preview.n_later:,} pairs, at most {most:,} tokens{money}.")
    if preview.is_llm and preview.seconds is None:
        lines.append("How long that takes is known once it was asked a little: --budget-pairs 50.")
    elif preview.seconds and preview.is_llm:
        lines.append(f"About {preview.seconds / 60:.1f} minutes at the speed it had last.")
    if not preview.consented:
        lines.append(f"Texts would be sent to {preview.host}: allow it with `lmtx consent {preview.host}`.")
    return "\n".join(lines)
