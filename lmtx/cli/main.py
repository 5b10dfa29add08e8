"""Entry point: options before the verb, and what an error does to the exit code.

Exit codes: 0 done, 1 failed, 2 wrong use or input. Start-up is kept light: verbs import what they
need when they run.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from lmtx.cli import (
    baseline,
    compare,
    data,
    elsewhere,
    encoders,
    explore,
    label_space,
    learn,
    measure,
    pretrain,
    report,
    review,
    search,
    serve,
    teach,
)
from lmtx.cli.common import Options
from lmtx.errors import InputError, JobCancelled, LmtxError

app = typer.Typer(
    name="lmtx",
    help="Tag a corpus that nobody has annotated: a teacher, a small student, people in the loop.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
data.register(app)
teach.register(app)
elsewhere.register(app)
learn.register(app)
baseline.register(app)
pretrain.register(app)
encoders.register(app)
measure.register(app)
compare.register(app)
explore.register(app)
label_space.register(app)
report.register(app)
review.register(app)
search.register(app)
serve.register(app)


@app.callback()
def options(
    context: typer.Context,
    workspace: Annotated[
        Path | None,
        typer.Option(
            "--workspace",
            "-w",
            metavar="DIR",
            envvar="LMTX_WORKSPACE",
            help="Folder of the workspace; default: the one opened last under LMTX_HOME (./workspaces).",
        ),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")] = False,
) -> None:
    """Options that hold for every verb."""
    context.obj = Options(workspace, quiet)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    for name, value in (("HF_HUB_DISABLE_TELEMETRY", "1"), ("TOKENIZERS_PARALLELISM", "false")):
        os.environ.setdefault(name, value)
    try:
        code = app(args=_workspace_first(given), prog_name="lmtx", standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except InputError as error:
        _fail(error, 2)
    except JobCancelled as error:
        _fail(error, 1)
    except LmtxError as error:
        _fail(error, 1)
    except (typer.Abort, KeyboardInterrupt):
        print("Stopped; what was committed is kept.", file=sys.stderr)
        sys.exit(1)
    except BrokenPipeError:  # `lmtx ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:
        if hasattr(error, "exit_code") and hasattr(error, "show"):  # wrong use, told by the parser
            error.show(file=sys.stderr)
            sys.exit(2)
        raise


def _fail(error: LmtxError, code: int) -> None:
    print(f"lmtx: {error}", file=sys.stderr)
    sys.exit(code)


def _workspace_first(arguments: list[str]) -> list[str]:
    """Let `--workspace DIR` stand behind the verb too."""
    front: list[str] = []
    rest: list[str] = []
    i = 0
    while i < len(arguments):
        argument = arguments[i]
        if argument == "--":
            rest += arguments[i:]
            break
        if argument == "--workspace" and i + 1 < len(arguments):
            front += [argument, arguments[i + 1]]
            i += 1
        elif argument.startswith("--workspace="):
            front.append(argument)
        else:
            rest.append(argument)
        i += 1
    return front + rest
