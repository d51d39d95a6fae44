"""Requests of many users with many rule sets, made from any bundle.

Item ids and attributes are the bundle's own, and histories are drawn by the catalogue's own
popularity with lengths of a power law: what a service of that bundle would be asked.
"""

import json
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Literal

import numpy as np
from google.protobuf.json_format import MessageToDict
from numpy.typing import NDArray
from steerrec.v1 import recommender_pb2, rule_pb2

from loadtest.errors import LoadRefused
from model_store.bundle import Bundle

Draw = np.random.Generator
By = Literal["attribute", "feature"]

SHORTEST = 3
LENGTH_SCALE, LENGTH_TAIL = 5, 1.2
"""Of the lengths of histories: half have fewer than seven items, a few have hundreds."""
VALUES = {"ADD": (-1.0, 1.0), "SCALE": (0.0, 3.0), "CAP": (0.2, 0.8)}
"""Least and largest: a factor for SCALE, else reference units."""


@dataclass(frozen=True)
class Wanted:
    """What the requests are to be like."""

    count: int = 512
    """Requests, each of another user."""
    k: int = 20
    """Items that each asks for."""
    n_rules: tuple[int, ...] = (5,)
    """Rules of the first request, the second, and so on, and from the beginning again."""
    by: By = "attribute"
    """What rules act on: attribute=value, which any bundle of these data has, or features."""
    operations: tuple[str, ...] = ("ADD", "ADD", "SCALE", "CAP")
    """Drawn from for each rule; these go with each other on features that groups share."""
    repeated_share: float = 0.0
    """Of the requests, how many have the history of an earlier one, with other rules."""
    repeated_within: int = 0
    """How many requests back that one may be; 0: any."""
    seed: int = 0
    """Of all that is drawn."""


def requests_of(bundle: Bundle, wanted: Wanted) -> Iterator[recommender_pb2.RecommendRequest]:
    """The requests.

    Raises:
        LoadRefused: the bundle has nothing that rules could act on.
    """
    rng = np.random.default_rng(wanted.seed)
    histories, rules = _Histories(bundle, rng), _Rules(bundle, wanted, rng)
    seen: list[list[str]] = []
    for n_rules in islice(cycle(wanted.n_rules), wanted.count):
        is_repeated = bool(seen) and rng.random() < wanted.repeated_share
        recent = seen[-wanted.repeated_within :]
        seen.append(recent[rng.integers(len(recent))] if is_repeated else histories.draw())
        yield recommender_pb2.RecommendRequest(
            history=seen[-1], k=wanted.k, rules=rules.draw(n_rules)
        )


def as_ghz_data(requests: Sequence[recommender_pb2.RecommendRequest]) -> str:
    """The requests as ghz's --data-file: a JSON array, one request a line.

    ghz knows an array by the file's first character.
    """
    lines = (
        json.dumps(MessageToDict(request, preserving_proto_field_name=True), ensure_ascii=False)
        for request in requests
    )
    return "[\n" + ",\n".join(lines) + "\n]\n"


def frame(message: bytes) -> bytes:
    """A gRPC message as the body of an HTTP/2 request: not compressed, its length, itself."""
    return struct.pack(">BI", 0, len(message)) + message


class _Histories:
    def __init__(self, bundle: Bundle, rng: Draw) -> None:
        popularity = bundle.catalogue.counts[1:] + 1.0
        self._up_to = np.cumsum(popularity / popularity.sum())
        self._ids = bundle.catalogue.item_ids
        self._longest = 2 * bundle.manifest.base_model.max_seq
        self._rng = rng

    def draw(self) -> list[str]:
        """Item ids, oldest first."""
        length = int(SHORTEST + LENGTH_SCALE * self._rng.pareto(LENGTH_TAIL))
        at = np.searchsorted(self._up_to, self._rng.random(min(length, self._longest)))
        found = np.minimum(at, len(self._up_to) - 1) + 1
        return [self._ids[index] for index in found.tolist()]


class _Rules:
    """Rules that never contradict each other: each of a request has a target of its own."""

    def __init__(self, bundle: Bundle, wanted: Wanted, rng: Draw) -> None:
        alive: NDArray[np.int64] = np.flatnonzero(bundle.reference_activations)
        self._groups = sorted(bundle.groups) if wanted.by == "attribute" else []
        self._features = alive.tolist()
        self._by = wanted.by
        self._operations = list(wanted.operations)
        self._rng = rng

    def draw(self, count: int) -> list[rule_pb2.Rule]:
        """So many rules, or fewer where there are fewer targets."""
        targets = self._groups if self._by == "attribute" else self._features
        if count and not targets:
            remedy = "--by feature" if self._by == "attribute" else "--rules 0"
            raise LoadRefused([f"the bundle has no live {self._by} that rules name; {remedy}"])
        chosen = self._rng.permutation(len(targets))[:count]
        return [self._rule(index) for index in chosen.tolist()]

    def _rule(self, index: int) -> rule_pb2.Rule:
        name = str(self._rng.choice(self._operations))
        rule = rule_pb2.Rule(operation=rule_pb2.Operation.Value(f"OPERATION_{name}"))
        rule.value = round(float(self._rng.uniform(*VALUES[name])), 2)
        if self._by == "feature":
            rule.feature_index = self._features[index]
        else:
            rule.attribute.name, rule.attribute.value = self._groups[index]
        return rule
