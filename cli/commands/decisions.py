"""`steerrec replay` and `steerrec decisions`: what was answered, and whether it still would be."""

from typing import Annotated

import typer

from cli.options import DEFAULT_ADDRESS, DEFAULT_TIMEOUT_S, Address, AsJson, TimeoutS

app = typer.Typer(no_args_is_help=True, help="Recorded answers: list, show.")

DecisionId = Annotated[str, typer.Argument(metavar="ID", help="The reply's decision_id.")]


def replay(
    decision_id: DecisionId,
    *,
    as_json: AsJson = False,
    address: Address = DEFAULT_ADDRESS,
    timeout_s: TimeoutS = DEFAULT_TIMEOUT_S,
) -> None:
    """Answer a recorded request again; exits with 1 where the answer is not the same."""
    from cli import recorded_decisions
    from cli.client import connected

    with connected(address, timeout_s) as client:
        reply = recorded_decisions.replayed(client, decision_id)
    recorded_decisions.show_replay(reply, as_json=as_json)


@app.command("list")
def list_decisions(
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 20,
    *,
    as_json: AsJson = False,
    address: Address = DEFAULT_ADDRESS,
    timeout_s: TimeoutS = DEFAULT_TIMEOUT_S,
) -> None:
    """Recorded decisions, newest first."""
    from cli import recorded_decisions
    from cli.client import connected

    with connected(address, timeout_s) as client:
        decisions = recorded_decisions.listed(client, limit)
    recorded_decisions.show_decisions(decisions, as_json=as_json)


@app.command("show")
def show(
    decision_id: DecisionId,
    *,
    as_json: AsJson = False,
    address: Address = DEFAULT_ADDRESS,
    timeout_s: TimeoutS = DEFAULT_TIMEOUT_S,
) -> None:
    """One recorded decision: what was asked, and what was answered."""
    from cli import recorded_decisions
    from cli.client import connected

    with connected(address, timeout_s) as client:
        decision = recorded_decisions.recorded(client, decision_id)
    recorded_decisions.show_decision(decision, as_json=as_json)
