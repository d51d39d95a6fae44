"""`steerrec load`: calls at a rate, and how long their callers waited."""

from pathlib import Path
from typing import Annotated

import typer

from cli.checked_values import whole_number
from cli.options import (
    ADDRESS_VARIABLE,
    MAX_K,
    MAX_SEED,
    MAX_TIMEOUT_S,
    AsJson,
    Model,
    StoreUrl,
    dialled,
    refuse_options_before_subcommand,
)

MAX_RATE = 1_000_000
"""Calls a second, far above what one machine sends."""
MAX_CALLS = 100_000
"""In flight at once: each holds memory here and there."""
MAX_RULES = 256
"""Of one request, by the contract."""

app = typer.Typer(
    invoke_without_command=True,
    help="Load a service at a rate and print how long callers wait; `load data` makes requests.",
)

Config = Annotated[
    Path | None,
    typer.Option(help="A config of ghz, e.g. deploy/loadtest/ramp.json; options go before it."),
]
Profile = Annotated[
    str | None, typer.Option(help="Without a config: constant, step, ramp, soak or closed.")
]
Data = Annotated[
    Path | None, typer.Option(help="Requests in proto JSON, an object or an array of them.")
]
Address = Annotated[
    str | None,
    typer.Option(envvar=ADDRESS_VARIABLE, callback=dialled, help="Host and port of the service."),
]
Call = Annotated[
    str | None, typer.Option(help="Method; by default steerrec.v1.RecommenderService.Recommend.")
]
Rate = Annotated[
    int | None,
    typer.Option(min=1, max=MAX_RATE, help="Calls a second; of step and ramp, those at the start."),
]
To = Annotated[
    int | None, typer.Option(min=1, max=MAX_RATE, help="Calls a second at the end of step or ramp.")
]
Step = Annotated[
    int | None,
    typer.Option(
        min=-MAX_RATE, max=MAX_RATE, help="What each step adds; what each second of a ramp adds."
    ),
]
StepDuration = Annotated[str | None, typer.Option(help="How long each step takes, e.g. 10s.")]
Duration = Annotated[str | None, typer.Option(help="How long to send, e.g. 30s or 1h30m.")]
Total = Annotated[int | None, typer.Option(min=1, help="Calls in all, instead of a duration.")]
Concurrency = Annotated[
    int | None, typer.Option(min=1, max=MAX_CALLS, help="Calls kept in flight by a closed loop.")
]
Connections = Annotated[
    int | None, typer.Option(min=1, max=1024, help="Connections that calls share.")
]
Timeout = Annotated[
    float | None,
    typer.Option(
        min=0.001, max=MAX_TIMEOUT_S, help="Seconds to wait for each answer; by default 5."
    ),
]
MaxInFlight = Annotated[
    int | None,
    typer.Option(
        min=1, max=MAX_CALLS, help="Calls in flight above which those due are dropped, and counted."
    ),
]
Processes = Annotated[
    int, typer.Option(min=1, max=64, help="Of the generator, when one is at its limit.")
]
Allow = Annotated[
    list[str] | None,
    typer.Option(help="CODE=SHARE of calls that may end so, e.g. UNAVAILABLE=0.01, DROPPED=0.001."),
]
Out = Annotated[Path, typer.Argument(help="Folder of requests.json and body.frame.")]
Count = Annotated[
    int, typer.Option("--requests", min=1, max=1_000_000, help="Requests, each of another user.")
]
Rules = Annotated[
    str, typer.Option(help="Rules of each request in turn, e.g. 0,1,5,20 mixes four kinds.")
]
By = Annotated[str, typer.Option(help="What rules act on: attribute or feature.")]
Repeated = Annotated[
    float, typer.Option(min=0, max=1, help="Share of requests with an earlier one's history.")
]


@app.callback()
def load(
    ctx: typer.Context,
    config: Config = None,
    profile: Profile = None,
    data: Data = None,
    address: Address = None,
    call: Call = None,
    rate: Rate = None,
    to: To = None,
    step: Step = None,
    step_duration: StepDuration = None,
    duration: Duration = None,
    total: Total = None,
    concurrency: Concurrency = None,
    connections: Connections = None,
    timeout: Timeout = None,
    max_in_flight: MaxInFlight = None,
    processes: Processes = 1,
    allow: Allow = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Load a service at a rate and print how long callers wait; docs/loadtest.md tells how to read.

    The exit status is 0 only where every call was answered OK, but for what --allow lets pass.
    """
    if ctx.invoked_subcommand is not None:
        refuse_options_before_subcommand(ctx)
        return
    if config and profile:
        raise typer.BadParameter("one of them names the load", param_hint="--config, --profile")
    if total and duration:
        raise typer.BadParameter("one of them ends the load", param_hint="--total, --duration")
    from cli.load_config import load_from
    from cli.load_run import allowances, send

    allowed = allowances(allow or [])
    given = {
        "data-file": None if data is None else str(data),
        "host": address,
        "call": call,
        "rate": rate,
        "load-end": to,
        "load-step": step,
        "load-step-duration": step_duration,
        "duration": duration,
        "total": total,
        "concurrency": concurrency,
        "connections": connections,
        "timeout": timeout,
    }
    wanted = load_from(config, profile, given, max_in_flight=max_in_flight, processes=processes)
    send(wanted, allowed, as_json=as_json)


@app.command("data")
def data_command(
    out: Out,
    store: StoreUrl = None,
    model: Model = "production",
    requests: Count = 512,
    rules: Rules = "5",
    by: By = "attribute",
    k: Annotated[int, typer.Option("--k", min=1, max=MAX_K, help="Items that each asks for.")] = 20,
    repeated_share: Repeated = 0.0,
    seed: Annotated[int, typer.Option(min=0, max=MAX_SEED, help="Of all that is drawn.")] = 0,
    *,
    as_json: AsJson = False,
) -> None:
    """Write requests of many users with many rule sets, made from a bundle."""
    if by not in {"attribute", "feature"}:
        raise typer.BadParameter(f'"{by}" is neither attribute nor feature', param_hint="--by")
    counts = _rule_counts(rules)
    from cli.load_data import write_data
    from loadtest.requests import Wanted

    wanted = Wanted(
        count=requests,
        k=k,
        n_rules=counts,
        by="feature" if by == "feature" else "attribute",
        repeated_share=repeated_share,
        seed=seed,
    )
    write_data(out, store, model, wanted, as_json=as_json)


def _rule_counts(text: str) -> tuple[int, ...]:
    given = f"--rules {text[:60]} (numbers, such as 0,1,5)"
    return tuple(whole_number(part.strip(), given, most=MAX_RULES) for part in text.split(","))
