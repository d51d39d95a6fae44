"""The one command, `steerrec`: each subcommand imports its room when it runs."""

from typing import Any

import typer
from typer.core import TyperGroup

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
from cli.errors import CliError
from cli.exit_code import ExitCode


class _Sentences(TyperGroup):
    """Prints what ends a command as sentences, and exits with the code that it carries."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except CliError as error:
            _show_error(error)
            raise typer.Exit(error.exit_code) from error
        except KeyboardInterrupt as error:
            raise typer.Exit(ExitCode.INTERRUPTED) from error


def _show_error(error: CliError) -> None:
    from cli.output import show_error

    show_error(str(error))


app = typer.Typer(
    cls=_Sentences,
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
