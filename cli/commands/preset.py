"""`steerrec preset`: all its subcommands."""

import typer

from cli.commands import preset_operations, preset_revisions, presets

app = typer.Typer(
    no_args_is_help=True,
    help="Named rules: check, apply, preview, publish, roll back, see who serves what.",
)
store = typer.Typer(no_args_is_help=True, help="What to do once the store has lost its data.")

app.command("apply")(presets.apply)
app.command("check")(presets.check)
app.command("export")(presets.export)
app.command("show")(presets.show)
app.command("get", hidden=True)(presets.show)
app.command("list")(presets.list_presets)
app.command("delete")(presets.delete)
app.command("publish")(preset_revisions.publish)
app.command("rollback")(preset_revisions.rollback)
app.command("revisions")(preset_revisions.revisions)
app.command("diff")(preset_revisions.diff)
app.command("preview")(preset_operations.preview)
app.command("status")(preset_operations.status)
store.command("restore")(preset_operations.restore)
store.command("accept")(preset_operations.accept)
app.add_typer(store, name="store")
