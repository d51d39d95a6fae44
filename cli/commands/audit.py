"""`steerrec audit`: the chain of everything that was ever done to presets."""

from typing import Annotated

import typer

from cli.options import DEFAULT_ADDRESS, DEFAULT_TIMEOUT_S, Address, AsJson, TimeoutS

app = typer.Typer(no_args_is_help=True, help="Who changed which preset: log, verify.")


@app.command("log")
def log(
    name: Annotated[str, typer.Option("--name", help="Only events of this preset.")] = "",
    *,
    as_json: AsJson = False,
    address: Address = DEFAULT_ADDRESS,
    timeout_s: TimeoutS = DEFAULT_TIMEOUT_S,
) -> None:
    """Everything that was done to presets, oldest first."""
    from cli import audit_log
    from cli.client import connected

    with connected(address, timeout_s) as client:
        told = audit_log.events(client, name)
    audit_log.show_events(told, as_json=as_json)


@app.command("verify")
def verify(
    expect_tip: Annotated[
        str | None,
        typer.Option(
            metavar="SEQ:HASH",
            help="A tip noted before, which the chain must still hold: a cut one does not.",
        ),
    ] = None,
    *,
    as_json: AsJson = False,
    address: Address = DEFAULT_ADDRESS,
    timeout_s: TimeoutS = DEFAULT_TIMEOUT_S,
) -> None:
    """Recompute every hash of the chain and of the revisions; exits with 1 where it is broken."""
    from cli import audit_log
    from cli.client import connected

    expected = None if expect_tip is None else audit_log.expected_tip(expect_tip)
    with connected(address, timeout_s) as client:
        read = audit_log.chain(client)
        found = audit_log.contents_verified(client, read, audit_log.verified(read, expected))
    audit_log.show_verification(found, as_json=as_json)
