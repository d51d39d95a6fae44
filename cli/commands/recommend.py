"""`steerrec recommend`."""

from typing import Annotated

import typer

from cli.options import DEFAULT_ADDRESS, DEFAULT_TIMEOUT_S, Address, AsJson, Model, TimeoutS

History = Annotated[
    list[str] | None, typer.Argument(help="Item ids, oldest first; none: the cold-start slate.")
]
Presets = Annotated[
    list[str] | None, typer.Option("--preset", "-p", help="NAME or NAME@REVISION; repeatable.")
]
Rules = Annotated[
    list[str] | None,
    typer.Option(
        "--rule",
        "-r",
        help="TARGET:OPERATION:VALUE[:UNIT], e.g. genre=Horror:ADD:1.5 or 12:SCALE:0; repeatable.",
    ),
]
Context = Annotated[
    list[str] | None,
    typer.Option("--context", "-c", help="KEY=VALUE that conditions read; repeatable."),
]
Excluded = Annotated[
    list[str] | None, typer.Option("--exclude", help="Item id not to recommend; repeatable.")
]


def recommend(
    history: History = None,
    k: Annotated[int, typer.Option("-k", help="Items wanted.")] = 10,
    preset: Presets = None,
    rule: Rules = None,
    context: Context = None,
    exclude: Excluded = None,
    *,
    include_history: Annotated[
        bool, typer.Option(help="Recommend items of the history too.")
    ] = False,
    skip_unknown_presets: Annotated[
        bool, typer.Option(help="Leave out presets that are not in force.")
    ] = False,
    full: Annotated[
        bool, typer.Option("--full", help="Also unsteered ranks and the most active features.")
    ] = False,
    compare: Annotated[
        bool, typer.Option("--compare", help="The unsteered slate side by side.")
    ] = False,
    model: Model = "",
    as_json: AsJson = False,
    address: Address = DEFAULT_ADDRESS,
    timeout_s: TimeoutS = DEFAULT_TIMEOUT_S,
) -> None:
    """What comes after a history, steered by presets and rules."""
    from cli import recommending
    from cli.client import connected

    request = recommending.request_of(
        history or [],
        k=k,
        presets=preset or [],
        rules=rule or [],
        context=context or [],
        excluded=exclude or [],
        include_history=include_history,
        skip_unknown_presets=skip_unknown_presets,
        is_full=full,
        model=model,
    )
    with connected(address, timeout_s) as client:
        if compare:
            recommending.show_comparison(client, request, as_json=as_json)
        else:
            recommending.show_slate(client, request, as_json=as_json)
