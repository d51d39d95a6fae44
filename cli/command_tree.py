"""All subcommands of `steerrec`; each imports its room when it runs."""

from collections.abc import Callable
from typing import Any

import typer
from typer.core import TyperGroup

from cli.checked_values import check_values
from cli.commands import (
    audit,
    decisions,
    demo,
    features,
    load,
    models,
    preset,
    recommend,
    serve,
    study,
    train,
)
from cli.errors import Refused


class _Outermost(TyperGroup):
    """The command itself; typer ends it without a word where a pipe to a process breaks."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:  # not of stdout, whose loss is OutputLost
            raise Refused("a process that this command had started is gone; try again") from error


app = typer.Typer(
    cls=_Outermost,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    help="Sequential recommendations whose answers can be steered while the service runs.",
)
app.add_typer(train.app, name="train")
app.command("study")(study.study)
app.command("serve")(serve.serve)
app.command("recommend")(recommend.recommend)
app.add_typer(features.app, name="features")
app.add_typer(preset.app, name="preset")
app.add_typer(audit.app, name="audit")
app.command("replay")(decisions.replay)
app.add_typer(decisions.app, name="decisions")
app.add_typer(models.app, name="models")
app.add_typer(load.app, name="load")
app.command("demo")(demo.demo)


def command() -> Callable[..., Any]:
    """The whole command line; called with its words, it gives an exit status or raises."""
    built = typer.main.get_command(app)
    check_values(built)
    return built
