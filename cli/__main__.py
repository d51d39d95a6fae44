"""`python -m cli` is `steerrec`."""

from cli.main import app

app()
