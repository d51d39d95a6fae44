"""`steerrec recommend`."""

from pathlib import Path
from typing import Annotated

import typer

from cli.options import (
    DEFAULT_ADDRESS,
    DEFAULT_TIMEOUT_S,
    MAX_K,
    Address,
    AsJson,
    Context,
    Model,
    TimeoutS,
)

History = Annotated[
    list[str] | None, typer.Argument(help="Item ids, oldest first; none: the cold-start slate.")
]
Histories = Annotated[
    Path | None,
    typer.Option(
        "--histories",
        help='Many users: a file of lines as {"history": ["50", "172"]}, asked over one stream; '
        "one JSON line each comes out, in order.",
    ),
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
Excluded = Annotated[
    list[str] | None, typer.Option("--exclude", help="Item id not to recommend; repeatable.")
]
Targets = Annotated[
    list[str] | None,
    typer.Option(
        "--target",
        "-t",
        help="NAME=VALUE:SHARE that the slate should reach, e.g. genre=Documentary:0.4 or "
        "...:40%; repeatable.",
    ),
]
TargetK = Annotated[
    int,
    typer.Option("--target-k", min=0, max=200, help="Count the target on so many items; 0: 20."),
]
Tolerance = Annotated[
    float | None, typer.Option(help="How far a share may be off; by default one item.")
]
MinOverlap = Annotated[
    str | None,
    typer.Option(
        metavar="SHARE", help="Least part of the unsteered slate that must stay, 0.8 or 80%."
    ),
]
MinScoreRetained = Annotated[
    str | None,
    typer.Option(metavar="SHARE", help="Least part of its relevance that must stay, 0.95 or 95%."),
]
BudgetK = Annotated[
    int,
    typer.Option("--budget-k", min=0, max=MAX_K, help="Count both on so many items; 0: as in -k."),
]


def recommend(
    history: History = None,
    histories: Histories = None,
    k: Annotated[int, typer.Option("-k", max=MAX_K, help="Items wanted.")] = 10,
    preset: Presets = None,
    rule: Rules = None,
    context: Context = None,
    exclude: Excluded = None,
    target: Targets = None,
    target_k: TargetK = 0,
    tolerance: Tolerance = None,
    min_overlap: MinOverlap = None,
    min_score_retained: MinScoreRetained = None,
    budget_k: BudgetK = 0,
    *,
    counterfactual: Annotated[
        bool, typer.Option("--counterfactual", help="The unsteered slate, and what moved.")
    ] = False,
    why: Annotated[
        bool, typer.Option("--why", help="What each rule did to each item's score.")
    ] = False,
    features: Annotated[
        bool, typer.Option("--features", help="Which features drive each item's score.")
    ] = False,
    ignore_defaults: Annotated[
        bool, typer.Option("--ignore-defaults", help="Leave out presets that apply by default.")
    ] = False,
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
    """What comes after a history, or each of many, steered by presets and rules."""
    from math import inf

    from cli import recommending, recommending_many
    from cli.client import connected
    from cli.histories import read_histories

    if histories is not None and (history or compare):
        raise typer.BadParameter("--histories goes with neither item ids nor --compare")
    many = None if histories is None else read_histories(histories, inf)

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
        ignore_defaults=ignore_defaults,
        model=model,
    )
    recommending.aim(request, shares=target or [], at_k=target_k, tolerance=tolerance)
    recommending.bind(
        request,
        min_overlap=min_overlap,
        min_score_retained=min_score_retained,
        at_k=budget_k,
    )
    request.with_counterfactual = counterfactual
    request.with_rule_contributions = why
    request.with_feature_contributions = features
    with connected(address, timeout_s) as client:
        if many is not None:
            recommending_many.show_slates(client, many, request)
        elif compare:
            recommending.show_comparison(client, request, as_json=as_json)
        else:
            recommending.show_slate(client, request, as_json=as_json)
