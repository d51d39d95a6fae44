"""Options that several subcommands share."""

from typing import Annotated, Any

import typer

from cli.shown import shown

DEFAULT_ADDRESS = "127.0.0.1:50051"
DEFAULT_TIMEOUT_S = 10.0
MAX_TIMEOUT_S = 10_000_000
"""Four months; gRPC takes a deadline far beyond it for one that has passed."""
MAX_K = 1000
"""The contract's own limit of a slate."""
MAX_SEED = 2**32 - 1
"""What every generator of random numbers takes."""
ADDRESS_VARIABLE = "STEERREC_CLIENT_ADDRESS"
"""Of the variables that clients read: the service refuses every other name it does not know."""


def dialled(address: str | None) -> str | None:
    """The address, which can be dialled.

    Raises:
        BadParameter: it cannot; with what is wrong, and the remedy.
    """
    from loadtest.addresses import address_fault

    if address is not None and (fault := address_fault(address)):
        raise typer.BadParameter(f"{shown(address)} {fault}")
    return address


Address = Annotated[
    str,
    typer.Option(
        "--address",
        envvar=ADDRESS_VARIABLE,
        callback=dialled,
        help="Host and port of the service.",
    ),
]
TimeoutS = Annotated[
    float,
    typer.Option(
        "--timeout", min=0.001, max=MAX_TIMEOUT_S, help="Seconds to wait for each answer."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Model = Annotated[
    str, typer.Option("--model", help="Label or version of the bundle; by default production.")
]
StoreUrl = Annotated[
    str | None,
    typer.Option(
        "--store", help="Model store: a folder or an fsspec URL; by default the service's own."
    ),
]
Name = Annotated[str, typer.Argument(help="Name of the preset.")]
Author = Annotated[
    str | None,
    typer.Option(help="Who writes, for the audit log; by default your login name and host."),
]
Reason = Annotated[str | None, typer.Option(help="Why, for the audit log.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Answer every question with yes.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Have it checked, and write nothing.")]
Context = Annotated[
    list[str] | None,
    typer.Option("--context", "-c", help="KEY=VALUE that conditions read; repeatable."),
]


def refuse_options_before_subcommand(ctx: typer.Context) -> None:
    """Raise BadParameter for an option that stands before a subcommand, which would not see it."""
    parameter: Any
    for parameter in ctx.command.params:
        source = ctx.get_parameter_source(str(parameter.name))
        if source is not None and source.name == "COMMANDLINE":
            problem = f'it stands before "{ctx.invoked_subcommand}", which takes options after it'
            raise typer.BadParameter(problem, ctx=ctx, param=parameter)
