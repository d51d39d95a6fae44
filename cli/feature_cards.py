"""Feature cards and attribute groups: asked of a service, shown as tables."""

from collections.abc import Sequence
from itertools import chain, islice

from rich.table import Table
from steerrec.v1 import feature_pb2, rule_pb2

from cli.client import Client, pages
from cli.effects import effects_parts
from cli.output import kept_whole, one_line, show, show_json, table

PAGE = 500
"""Cards in one call: far below the size that a message may have."""
LONGEST = 40
"""Characters of a label or title in a table of cards."""


def listed(
    client: Client, model: str, *, limit: int, include_dead: bool
) -> list[feature_pb2.Feature]:
    """The first cards by index, at most `limit`."""

    def ask(token: str) -> feature_pb2.ListFeaturesResponse:
        request = feature_pb2.ListFeaturesRequest(
            model=model,
            page_size=min(limit, PAGE),
            page_token=token,
            include_dead=include_dead,
        )
        return client.call(client.features.ListFeatures, request)

    return list(islice(chain.from_iterable(page.features for page in pages(ask)), limit))


def card(client: Client, model: str, index: int) -> feature_pb2.Feature:
    """One feature's card."""
    request = feature_pb2.GetFeatureRequest(feature_index=index, model=model)
    return client.call(client.features.GetFeature, request).feature


def found(client: Client, model: str, query: str, *, limit: int) -> list[feature_pb2.Feature]:
    """The cards that match words, best first."""
    request = feature_pb2.SearchFeaturesRequest(query=query, model=model, page_size=limit)
    return list(client.call(client.features.SearchFeatures, request).features)


def groups(client: Client, model: str) -> list[feature_pb2.AttributeGroup]:
    """Every attribute that a rule can name."""

    def ask(token: str) -> feature_pb2.ListAttributeGroupsResponse:
        request = feature_pb2.ListAttributeGroupsRequest(
            model=model, page_size=PAGE, page_token=token
        )
        return client.call(client.features.ListAttributeGroups, request)

    return list(chain.from_iterable(page.attribute_groups for page in pages(ask)))


def group(client: Client, model: str, attribute: rule_pb2.Attribute) -> feature_pb2.AttributeGroup:
    """One attribute's group."""
    request = feature_pb2.GetAttributeGroupRequest(attribute=attribute, model=model)
    return client.call(client.features.GetAttributeGroup, request).attribute_group


def show_cards(cards: Sequence[feature_pb2.Feature], *, as_json: bool) -> None:
    """Print one line for each card."""
    if as_json:
        show_json(cards)
        return
    made = table(
        *("feature", "label", "density", "reference", "best attribute", "ROC AUC", "top item"),
        right=("feature", "density", "reference", "ROC AUC"),
    )
    for feature in cards:
        best, roc_auc = _best(feature)
        made.add_row(
            str(feature.feature_index),
            "(dead)" if feature.is_dead else _short(feature.label),
            f"{feature.density:.4f}",
            f"{feature.reference_activation:.3f}",
            best,
            roc_auc,
            _short(feature.top_items[0].title) if feature.top_items else "",
        )
    show(made)


def show_card(feature: feature_pb2.Feature, *, as_json: bool) -> None:
    """Print everything that one card holds."""
    if as_json:
        show_json(feature)
        return
    state = "dead" if feature.is_dead else f"density {feature.density:.4f}"
    show(
        f"feature {feature.feature_index} · {feature.label or 'not labelled'} · {state} · "
        f"reference activation {feature.reference_activation:.3f}",
        *_evidence(feature),
        _associations(feature),
        _top_items(feature),
        *([] if feature.is_dead else effects_parts(list(feature.effects))),
    )


def show_group(found: feature_pb2.AttributeGroup, *, as_json: bool) -> None:
    """Print an attribute's features and what steering by them does."""
    if as_json:
        show_json(found)
        return
    made = table("feature", "weight", right=("feature", "weight"))
    for member in found.members:
        made.add_row(str(member.feature_index), f"{member.weight:.3f}")
    show(
        f"{found.attribute.name}={found.attribute.value} · {found.item_count} items · "
        f"{len(found.members)} features",
        made,
        *effects_parts(list(found.effects)),
    )


def show_groups(found: Sequence[feature_pb2.AttributeGroup], *, as_json: bool) -> None:
    """Print one line for each attribute."""
    if as_json:
        show_json(found)
        return
    made = table("attribute", "items", "features (weight)", right=["items"])
    for group in found:
        members = ", ".join(f"{m.feature_index} ({m.weight:.2f})" for m in group.members)
        name = f"{group.attribute.name}={group.attribute.value}"
        made.add_row(name, str(group.item_count), one_line(members))
    show(kept_whole(made, "attribute", "items"))


def _short(text: str) -> str:
    """Text that leaves room for the numbers beside it."""
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _best(feature: feature_pb2.Feature) -> tuple[str, str]:
    if not feature.attributes:
        return "", ""
    best = feature.attributes[0]
    return f"{best.attribute.name}={best.attribute.value}", f"{best.roc_auc:.3f}"


def _evidence(feature: feature_pb2.Feature) -> list[str]:
    """How the label came about, in a line; none where it is not recorded."""
    if not feature.HasField("label_evidence"):
        return []
    told = feature.label_evidence
    source = feature_pb2.LabelSource.Name(told.source).removeprefix("LABEL_SOURCE_").lower()
    words = [f"label by {source.replace('_', '-')}"]
    words += [f"{told.measure} {told.value:.2f}"] if told.measure else []
    return [" · ".join([*words, *filter(None, (told.model, told.reason))])]


def _associations(feature: feature_pb2.Feature) -> Table:
    made = table("attribute", "ROC AUC", "95 % interval", right=["ROC AUC"])
    for told in feature.attributes:
        interval = f"{told.roc_auc_low:.3f} to {told.roc_auc_high:.3f}"
        name = f"{told.attribute.name}={told.attribute.value}"
        made.add_row(name, f"{told.roc_auc:.3f}", interval)
    return made


def _top_items(feature: feature_pb2.Feature) -> Table:
    made = table("item", "title", "activation", right=["activation"])
    for item in feature.top_items:
        made.add_row(item.item_id, item.title, f"{item.activation:.3f}")
    return made
