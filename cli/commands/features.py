"""`steerrec features`: what is known of the SAE's features, and the attributes to steer by."""

from typing import Annotated

import typer

from cli.options import DEFAULT_ADDRESS, DEFAULT_TIMEOUT_S, Address, AsJson, Model, TimeoutS

app = typer.Typer(no_args_is_help=True, help="What the features mean; the groups to steer by.")


@app.command("list")
def list_features(
    limit: Annotated[int, typer.Option(min=1, help="Most cards.")] = 50,
    *,
    dead: Annotated[bool, typer.Option("--dead", help="List dead features too.")] = False,
    model: Model = "",
    as_json: AsJson = False,
    address: Address = DEFAULT_ADDRESS,
    timeout_s: TimeoutS = DEFAULT_TIMEOUT_S,
) -> None:
    """Feature cards by index."""
    from cli import feature_cards
    from cli.client import connected

    with connected(address, timeout_s) as client:
        cards = feature_cards.listed(client, model, limit=limit, include_dead=dead)
    feature_cards.show_cards(cards, as_json=as_json)


@app.command("show")
def show_feature(
    index: Annotated[int, typer.Argument(min=0, help="Index of the feature.")],
    model: Model = "",
    *,
    as_json: AsJson = False,
    address: Address = DEFAULT_ADDRESS,
    timeout_s: TimeoutS = DEFAULT_TIMEOUT_S,
) -> None:
    """One feature's card, with what doses of it do."""
    from cli import feature_cards
    from cli.client import connected

    with connected(address, timeout_s) as client:
        card = feature_cards.card(client, model, index)
    feature_cards.show_card(card, as_json=as_json)


@app.command("search")
def search(
    words: Annotated[list[str], typer.Argument(help="Of a label, an attribute or a title.")],
    limit: Annotated[int, typer.Option(min=1, max=100, help="Most cards.")] = 10,
    model: Model = "",
    *,
    as_json: AsJson = False,
    address: Address = DEFAULT_ADDRESS,
    timeout_s: TimeoutS = DEFAULT_TIMEOUT_S,
) -> None:
    """Feature cards that match words, best first."""
    from cli import feature_cards
    from cli.client import connected

    with connected(address, timeout_s) as client:
        cards = feature_cards.found(client, model, " ".join(words), limit=limit)
    feature_cards.show_cards(cards, as_json=as_json)


@app.command("groups")
def groups(
    model: Model = "",
    *,
    as_json: AsJson = False,
    address: Address = DEFAULT_ADDRESS,
    timeout_s: TimeoutS = DEFAULT_TIMEOUT_S,
) -> None:
    """Attributes that a rule can name, each with its feature group."""
    from cli import feature_cards
    from cli.client import connected

    with connected(address, timeout_s) as client:
        found = feature_cards.groups(client, model)
    feature_cards.show_groups(found, as_json=as_json)


@app.command("group")
def show_group(
    attribute: Annotated[str, typer.Argument(help="NAME=VALUE, e.g. genre=Horror.")],
    model: Model = "",
    *,
    as_json: AsJson = False,
    address: Address = DEFAULT_ADDRESS,
    timeout_s: TimeoutS = DEFAULT_TIMEOUT_S,
) -> None:
    """One attribute's feature group, with what doses of it do."""
    from cli import feature_cards
    from cli.client import connected
    from cli.rule_text import attribute_of

    wanted = attribute_of(attribute)
    with connected(address, timeout_s) as client:
        found = feature_cards.group(client, model, wanted)
    feature_cards.show_group(found, as_json=as_json)
