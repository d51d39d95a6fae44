"""Targets over real users: attained against an exhaustive search, and what a search costs.

    python -m bench.targets STORE [--data ml-100k [--files DIR]] [--users 1000] [--repetitions 5]
    python -m bench.targets STORE --mix          also two attributes at once, on fewer users
    python -m bench.targets STORE --only latency

STORE is the root of a model store whose production bundle was trained on the data. The service is
a process of its own and is asked over gRPC; the exhaustive search asks the bundle's graphs for
401 strengths from one limit to the other, for every user, attribute and wanted share. Latency is
taken with one call in flight: every user's requests follow each other, in an order drawn anew, so
that each kind meets the same machine.
"""

import argparse
import random
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import grpc
import numpy as np
from steerrec.v1 import recommender_pb2, rule_pb2

from bench.processes import service
from model_store.bundle import Bundle
from model_store.store import Store
from service.snapshot import feature_space_of
from service.steerable import Steerable, steerables_of
from steering.lever import Lever
from steering.plan import NO_RULES
from steering.rules import Attribute
from steering.space import FeatureSpace
from training.builtin import load_dataset
from training.split import leave_one_out

RECOMMEND = "/steerrec.v1.RecommenderService/Recommend"
BATCH = "/steerrec.v1.RecommenderService/BatchRecommend"
K = 20
BATCH_SIZE = 32
STRENGTHS = 401
MIX_STRENGTHS = 61
MIX_USERS = 100
AIMS = (
    ("genre=Horror", (0.1, 0.2, 0.4)),
    ("genre=Comedy", (0.1, 0.5, 0.7)),
    ("genre=Documentary", (0.1, 0.2)),
    ("genre=Drama", (0.05, 0.5, 0.7)),
    ("genre=Children's", (0.2, 0.3)),
    ("genre=Film-Noir", (0.1, 0.2)),
    ("genre=Action", (0.0, 0.6)),
)
"""Attributes and the shares wanted of them: rare and common, raised and lowered."""
MIXES = (
    (("genre=Horror", 0.2), ("genre=Comedy", 0.4)),
    (("genre=Children's", 0.3), ("genre=Action", 0.1)),
    (("genre=Drama", 0.6), ("genre=Documentary", 0.1)),
)
LATENCY_USERS = 300
Wanted = tuple[tuple[Attribute, float], ...]


@dataclass(frozen=True)
class Bench:
    """What both parts share."""

    bundle: Bundle
    space: FeatureSpace
    steerables: dict[Attribute, Steerable]
    histories: list[list[int]]
    channel: grpc.Channel

    def request(self, history: Sequence[int], **fields: object) -> recommender_pb2.RecommendRequest:
        """A question of one user."""
        item_ids = self.bundle.catalogue.item_ids
        return recommender_pb2.RecommendRequest(
            history=[item_ids[index] for index in history],
            k=K,
            **fields,  # type: ignore[arg-type]
        )


def target_of(wanted: Wanted) -> recommender_pb2.Target:
    """The message that wants these shares of the top 20, within one item."""
    return recommender_pb2.Target(
        mix=[
            recommender_pb2.AttributeShare(attribute=_message(attribute), share=share)
            for attribute, share in wanted
        ],
        at_k=K,
    )


def attained(bench: Bench, wanted: Wanted, users: Sequence[int]) -> Iterator[tuple[str, bool]]:
    """Status, and whether the slate itself is within one item, of each user; over gRPC."""
    call = bench.channel.unary_unary(
        BATCH,
        request_serializer=recommender_pb2.BatchRecommendRequest.SerializeToString,
        response_deserializer=recommender_pb2.BatchRecommendResponse.FromString,
    )
    index_of = bench.bundle.catalogue.index_of
    for start in range(0, len(users), BATCH_SIZE):
        asked = [
            bench.request(bench.histories[user], target=target_of(wanted))
            for user in users[start : start + BATCH_SIZE]
        ]
        for result in call(recommender_pb2.BatchRecommendRequest(requests=asked)).results:
            items = np.array([index_of[item.item_id] for item in result.response.items])
            status = recommender_pb2.TargetStatus.Name(result.response.target_report.status)
            yield status.removeprefix("TARGET_STATUS_"), _is_near(bench, wanted, items)


def _is_near(bench: Bench, wanted: Wanted, items: np.ndarray) -> bool:
    return all(
        abs(int(bench.steerables[attribute].carriers[items].sum()) - share * K) <= 1 + 1e-9
        for attribute, share in wanted
    )


def attainable(bench: Bench, wanted: Wanted, users: Sequence[int]) -> Iterator[bool]:
    """Whether any of a fine grid of strengths attains the shares, of each user."""
    for user in users:
        counts = _counts_of_all(bench, wanted, np.array(bench.histories[user], dtype=np.int64))
        shares = np.array([share for _, share in wanted]) * K
        yield bool((np.abs(counts - shares) <= 1 + 1e-9).all(axis=1).any())


def _counts_of_all(bench: Bench, wanted: Wanted, history: np.ndarray) -> np.ndarray:
    """[grid, attributes] items of the top 20 that carry each, at every strength of the grid."""
    graphs, manifest = bench.bundle.graphs, bench.bundle.manifest
    items = history[np.newaxis, -manifest.base_model.max_seq :]
    hidden = graphs.hidden(items)[0]
    activations = graphs.activations(hidden[-1:])
    own = [bench.steerables[attribute] for attribute, _ in wanted]
    pulls = [steerable.pull for steerable in own]
    lever = Lever(NO_RULES, bench.space, pulls, activations, hidden[-1:], bench.bundle.W_dec)
    grid = _grid(lever.largest().strengths)
    counts = []
    for part in np.array_split(grid, max(len(grid) // 256, 1)):
        steered = np.repeat(hidden[np.newaxis], len(part), axis=0)
        steered[:, -1:] += lever.shifts(part).shift
        excluded = np.tile(np.unique(history), (len(part), 1))
        slates = graphs.top_k(steered, items.repeat(len(part), axis=0), excluded, K).items
        counts.append(np.stack([one.carriers[slates].sum(axis=1) for one in own], axis=1))
    return np.concatenate(counts)


def _grid(largest: np.ndarray) -> np.ndarray:
    """[strengths, attributes] from one limit to the other."""
    fine = STRENGTHS if len(largest) == 1 else MIX_STRENGTHS
    axes = [np.linspace(-own, own, fine) for own in largest]
    return np.stack([axis.ravel() for axis in np.meshgrid(*axes)], axis=1)


def show_attained(bench: Bench, aims: Sequence[Wanted], users: Sequence[int]) -> None:
    """Prints a row per wanted mix."""
    titles = (
        "wanted in the top 20",
        "users",
        "ours",
        "exhaustive",
        "missed",
        "beyond",
        "not attained",
    )
    print(f"{titles[0]:44}" + "".join(f"{title:>12}" for title in titles[1:]))
    totals: Counter[str] = Counter()
    for wanted in aims:
        ours = list(attained(bench, wanted, users))
        theirs = list(attainable(bench, wanted, users))
        row = Counter(
            users=len(users),
            ours=sum(near for _, near in ours),
            exhaustive=sum(theirs),
            missed=sum(other and not near for (_, near), other in zip(ours, theirs, strict=True)),
            beyond=sum(near and not other for (_, near), other in zip(ours, theirs, strict=True)),
        )
        untrue = sum(near != (status == "ATTAINED") for status, near in ours)
        why = Counter(status for status, _ in ours if status != "ATTAINED")
        name = " ".join(f"{attribute} {share:g}" for attribute, share in wanted)
        _print_row(name, row, ", ".join(f"{n} {status}" for status, n in why.items()))
        if untrue:
            print(f"    {untrue} replies say something else than their slate")
        totals += row
    _print_row("all", totals, "")


def _print_row(name: str, row: Counter[str], why: str) -> None:
    columns = ("users", "ours", "exhaustive", "missed", "beyond")
    print(
        f"{name:44}" + "".join(f"{row[column]:>12,}" for column in columns) + f"  {why}", flush=True
    )


def kinds(bench: Bench, history: Sequence[int], wanted: Wanted) -> dict[str, bytes]:
    """The requests of one user that are compared, serialised."""
    rule = rule_pb2.Rule(
        attribute=_message(wanted[0][0]), operation=rule_pb2.OPERATION_ADD, value=2.0
    )
    target = target_of(wanted)
    budget = recommender_pb2.Budget(min_overlap=0.8)
    fields: dict[str, dict[str, object]] = {
        "plain steered": {"rules": [rule]},
        "the same again": {"rules": [rule]},
        "target": {"target": target},
        "budget 0.8": {"rules": [rule], "budget": budget},
        "target and budget 0.5": {
            "target": target,
            "budget": recommender_pb2.Budget(min_overlap=0.5),
        },
        "counterfactual": {"rules": [rule], "with_counterfactual": True},
        "rule contributions": {"rules": [rule], "with_rule_contributions": True},
        "feature contributions": {"rules": [rule], "with_feature_contributions": True},
        "full view": {"rules": [rule], "view": recommender_pb2.VIEW_FULL},
    }
    return {kind: bench.request(history, **own).SerializeToString() for kind, own in fields.items()}


def show_latency(bench: Bench, users: Sequence[int], repetitions: int) -> None:
    """Prints the median latency of each kind of request, and its ratio to the plain one's."""
    call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = bench.channel.unary_unary(RECOMMEND)
    aims = _aims(bench.bundle)
    asked = [
        kinds(bench, bench.histories[user], aims[i % len(aims)]) for i, user in enumerate(users)
    ]
    rng = random.Random(0)  # noqa: S311 - an order, not a secret
    medians: dict[str, list[float]] = {kind: [] for kind in asked[0]}
    for _ in range(repetitions):
        taken: dict[str, list[float]] = {kind: [] for kind in asked[0]}
        for own in asked:
            for kind, request in rng.sample(sorted(own.items()), len(own)):
                start = time.perf_counter()
                call(request)
                taken[kind].append(time.perf_counter() - start)
        for kind, seconds in taken.items():
            medians[kind].append(median(seconds) * 1e3)
    plain = medians["plain steered"]
    print(f"{'request':28}{'median ms':>12}{'x plain':>10}{'least':>8}{'most':>8}")
    for kind, own_ms in medians.items():
        ratios = [own / base for own, base in zip(own_ms, plain, strict=True)]
        print(
            f"{kind:28}{median(own_ms):>12.2f}{median(ratios):>10.2f}"
            f"{min(ratios):>8.2f}{max(ratios):>8.2f}"
        )


def _message(attribute: Attribute) -> rule_pb2.Attribute:
    return rule_pb2.Attribute(name=attribute.name, value=attribute.value)


def _aims(bundle: Bundle) -> list[Wanted]:
    known = {f"{name}={value}" for name, value in bundle.groups}
    return [
        ((Attribute(*name.split("=", 1)), share),)
        for name, shares in AIMS
        if name in known
        for share in shares
    ]


def _mixes() -> list[Wanted]:
    return [tuple((Attribute(*name.split("=", 1)), share) for name, share in mix) for mix in MIXES]


def main() -> None:
    """Measures and prints."""
    chosen = _arguments()
    split = leave_one_out(load_dataset(chosen.data, files=chosen.files))
    order = np.random.default_rng(0).permutation(len(split.test_inputs))
    bundle = Store(chosen.store).load("production")
    space = feature_space_of(bundle)
    with (
        tempfile.TemporaryDirectory() as folder,
        service(chosen.store, Path(folder)) as address,
        grpc.insecure_channel(address) as channel,
    ):
        bench = Bench(
            bundle=bundle,
            space=space,
            steerables=dict(steerables_of(bundle, space)),
            histories=[split.test_inputs[row].tolist() for row in order],
            channel=channel,
        )
        _show(bench, chosen)


def _show(bench: Bench, chosen: argparse.Namespace) -> None:
    print(f"{bench.bundle.version}: {bench.bundle.catalogue.n_items:,} items")
    users = range(min(chosen.users, len(bench.histories)))
    if chosen.only != "latency":
        show_attained(bench, _aims(bench.bundle), users)
    if chosen.mix:
        show_attained(bench, _mixes(), users[:MIX_USERS])
    if chosen.only != "attained":
        show_latency(bench, users[:LATENCY_USERS], chosen.repetitions)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("store", help="root of a store with a production bundle of the data")
    parser.add_argument("--data", default="ml-100k", help="whose users are asked for")
    parser.add_argument("--files", type=Path, help="folder of a described data set's files")
    parser.add_argument("--users", type=int, default=1000, help="at most")
    parser.add_argument("--repetitions", type=int, default=5, help="of the latencies")
    parser.add_argument("--mix", action="store_true", help="also two attributes at once")
    parser.add_argument("--only", choices=["attained", "latency"], help="one part")
    return parser.parse_args()


if __name__ == "__main__":
    main()
