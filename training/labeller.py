"""Labels by a language model: any OpenAI-compatible endpoint, asked once for each feature.

What it answers is checked; where the answer is no good, or none comes, the rule's label stays and
is counted. Answers are kept in the work folder, so that a second run asks nothing.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from model_store.cards import FeatureCard, LabelEvidence, LabelSource
from training.config import LabellerConfig
from training.dataset import Dataset, Item
from training.labeller_endpoint import answers
from training.progress import Report, silent

Line = StringConstraints(strip_whitespace=True, min_length=1, pattern=r"^[^\r\n]+$")


class Reply(BaseModel):
    """What the prompt asks for; anything else is no good."""

    model_config = ConfigDict(extra="forbid")

    label: Annotated[str, Line, Field(max_length=80)]
    """The feature's name."""
    attributes: tuple[str, ...] = ()
    """`name=value`, of those given."""
    reason: Annotated[str, StringConstraints(strip_whitespace=True, max_length=400)] = ""
    """Why."""


class Outcome(StrEnum):
    """What became of one feature."""

    LABELLED = "labelled"
    """The model's label was taken."""
    REFUSED = "refused"
    """The answer was no good."""
    UNANSWERED = "unanswered"
    """No answer came, after retries."""


@dataclass(frozen=True)
class Labelled:
    """Cards after the model was asked."""

    cards: tuple[FeatureCard, ...]
    """By feature index; those that were not asked about or not answered well are unchanged."""
    outcomes: Mapping[Outcome, int]
    """How many features had which."""
    n_asked: int
    """Questions that were sent; the others' answers were kept from before."""


def labelled_by_model(
    cards: Sequence[FeatureCard],
    dataset: Dataset,
    config: LabellerConfig,
    kept: Path,
    report: Report = silent,
) -> Labelled:
    """The cards with the model's labels where it gave good ones.

    Args:
        cards: labelled by the rule, by feature index.
        dataset: titles and attributes of their top items.
        config: which endpoint and model, and how patiently.
        kept: folder of answers.
        report: told after each feature, with the counts so far.

    Raises:
        LabellerMissing: the client is not installed.
        LabellerRefused: the endpoint refuses every question, e.g. for its key.
        LabellerUnavailable: no answer came for many features in a row.
    """
    items = {item.item_id: item for item in dataset.items}
    asked = [card for card in cards if card.top_items][: config.max_features]
    questions = [question(card, items) for card in asked]
    labelled, counts, n_asked = {}, dict.fromkeys(Outcome, 0), 0
    for card, told, answer in zip(asked, questions, answers(questions, config, kept), strict=True):
        outcome, found = _judged(card, told, answer.text, config)
        labelled[card.feature_index] = found
        counts[outcome] += 1
        n_asked += answer.was_asked
        report("labeller", sum(counts.values()), len(asked), _told(counts))
    changed = tuple(labelled.get(card.feature_index, card) for card in cards)
    return Labelled(changed, counts, n_asked)


def question(card: FeatureCard, items: Mapping[str, Item]) -> str:
    """What the model is told of a feature, as JSON; the same card always gives the same.

    Args:
        card: labelled by the rule.
        items: the catalogue by item id.
    """
    shown = [
        {
            "title": items[top.item_id].title,
            "attributes": _spelled(items[top.item_id]),
            "strength": round(top.activation, 2),
        }
        for top in card.top_items
    ]
    attributes = {
        f"{a.attribute.name}={a.attribute.value}": round(a.roc_auc, 2) for a in card.attributes
    }
    told = {"items": shown, "attributes": attributes, "label": card.label}
    return json.dumps(told, ensure_ascii=False)


def checked(asked: str, answer: str) -> Reply | None:
    """The reply, if it is what the prompt asks for; None: it is no good.

    An attribute value that was not in the question makes it no good: the model did not read it.

    Args:
        asked: the question.
        answer: all that the model wrote; text around one JSON object is dropped.
    """
    start, end = answer.find("{"), answer.rfind("}")
    try:
        reply = Reply.model_validate_json(answer[start : end + 1])
    except ValidationError:
        return None
    told = json.loads(asked)
    known = {*told["attributes"], *(a for item in told["items"] for a in item["attributes"])}
    return reply if known.issuperset(reply.attributes) else None


def _judged(
    card: FeatureCard, asked: str, answer: str | None, config: LabellerConfig
) -> tuple[Outcome, FeatureCard]:
    if answer is None:
        return Outcome.UNANSWERED, card
    reply = checked(asked, answer)
    if reply is None:
        return Outcome.REFUSED, card
    rule = card.label_evidence
    evidence = LabelEvidence(
        source=LabelSource.MODEL,
        attribute=rule.attribute if rule else None,
        model=config.model,
        reason=reply.reason,
    )
    changed = {"label": reply.label, "label_evidence": evidence}
    return Outcome.LABELLED, card.model_copy(update=changed)


def _spelled(item: Item) -> list[str]:
    return [f"{name}={value}" for name, values in item.attributes.items() for value in values]


def _told(counts: Mapping[Outcome, int]) -> str:
    return ", ".join(f"{n} {outcome}" for outcome, n in counts.items())
