"""Targets, budgets, counterfactuals and contributions over gRPC."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import numpy as np
import pytest
import pytest_asyncio
from steerrec.v1 import recommender_pb2, rule_pb2

from model_store.store import Store
from tests.bundles import tiny_bundle
from tests.integration.asking import add, add_genre, fields, ids, refusal, request, scale, scores
from tests.integration.conftest import Service, Start
from tests.integration.test_service_batching import in_one_call, runs, together, varied
from tests.tiny_model import GENRES, TinyModel

FULL = recommender_pb2.VIEW_FULL
CARRIERS = {
    genre: {f"i{i}" for i in range(1, 51) if genre in TinyModel().genres(i)} for genre in GENRES
}


def share(genre: str, wanted: float) -> recommender_pb2.AttributeShare:
    """A share of one genre."""
    attribute = rule_pb2.Attribute(name="genre", value=genre)
    return recommender_pb2.AttributeShare(attribute=attribute, share=wanted)


def target(
    *mix: recommender_pb2.AttributeShare, at_k: int = 10, **own: float
) -> recommender_pb2.Target:
    """A target on the top 10."""
    return recommender_pb2.Target(mix=mix, at_k=at_k, **own)


def budget(**own: float) -> recommender_pb2.Budget:
    """A budget on the request's k."""
    return recommender_pb2.Budget(**own)  # type: ignore[arg-type]


def status(response: recommender_pb2.RecommendResponse) -> str:
    """Short name of what became of the target."""
    name = recommender_pb2.TargetStatus.Name(response.target_report.status)
    return name.removeprefix("TARGET_STATUS_")


def carried(response: recommender_pb2.RecommendResponse, genre: str) -> float:
    """Share of a genre in the slate."""
    return sum(item in CARRIERS[genre] for item in ids(response)) / len(response.items)


def method(number: int) -> str:
    """Short name of how contributions were found."""
    name = recommender_pb2.ContributionMethod.Name(number)  # type: ignore[arg-type]
    return name.removeprefix("CONTRIBUTION_METHOD_")


@pytest.fixture(scope="session")
def linear_root(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Root of a store whose bundle is hooked after the final norm: scores are linear."""
    folder: Path = tmp_path_factory.mktemp("linear")
    manifest = tiny_bundle(folder / "bundle", TinyModel(hook_block=3))
    store = Store(str(folder / "store"))
    store.publish(folder / "bundle", manifest)
    store.promote("production", manifest.version)
    return store.root


@pytest_asyncio.fixture
async def linear(start: Start, linear_root: str) -> AsyncIterator[Service]:
    """A replica that serves it."""
    async with start(bundles=linear_root) as running:
        yield running


# target


async def test_a_raised_share_is_attained(service: Service) -> None:
    reply = await service.recommender.Recommend(request(target=target(share("Horror", 0.7))))
    assert status(reply) == "ATTAINED"
    assert abs(carried(reply, "Horror") - 0.7) <= 0.1 + 1e-9


async def test_a_lowered_share_is_attained(service: Service) -> None:
    reply = await service.recommender.Recommend(request(target=target(share("Comedy", 0.0))))
    assert status(reply) == "ATTAINED"
    assert carried(reply, "Comedy") <= 0.1 + 1e-9


async def test_the_report_counts_what_the_slate_holds(service: Service) -> None:
    reply = await service.recommender.Recommend(request(target=target(share("Horror", 0.7))))
    own = reply.target_report.attributes[0]
    assert own.share_after == pytest.approx(carried(reply, "Horror"))


async def test_share_before_is_that_of_the_request_without_the_target(service: Service) -> None:
    rule = add_genre("Comedy", 1)
    plain = await service.recommender.Recommend(request(rule))
    reply = await service.recommender.Recommend(request(rule, target=target(share("Horror", 0.7))))
    before = reply.target_report.attributes[0].share_before
    assert before == pytest.approx(carried(plain, "Horror"))


async def test_the_strength_told_as_a_rule_gives_the_same_slate(service: Service) -> None:
    reply = await service.recommender.Recommend(request(target=target(share("Horror", 0.7))))
    strength = reply.target_report.attributes[0].strength
    again = await service.recommender.Recommend(request(add_genre("Horror", strength)))
    assert ids(again) == ids(reply)


async def test_a_share_that_is_there_already_needs_no_strength(service: Service) -> None:
    plain = await service.recommender.Recommend(request())
    wanted = share("Horror", carried(plain, "Horror"))
    reply = await service.recommender.Recommend(request(target=target(wanted)))
    assert (status(reply), reply.target_report.attributes[0].strength) == ("ATTAINED", 0.0)
    assert ids(reply) == ids(plain)


async def test_a_mix_is_attained_together(service: Service) -> None:
    wanted = target(share("Horror", 0.4), share("Documentary", 0.4))
    reply = await service.recommender.Recommend(request(target=wanted))
    assert status(reply) == "ATTAINED"
    counts = [round(10 * carried(reply, genre)) for genre in ("Horror", "Documentary")]
    assert all(3 <= count <= 5 for count in counts)


async def test_the_adds_of_a_target_are_reported_after_the_rules(service: Service) -> None:
    wanted = target(share("Horror", 0.4), share("Documentary", 0.4))
    reply = await service.recommender.Recommend(request(add(), target=wanted))
    own = [(report.rule_id, report.origin.index) for report in reply.rule_reports]
    assert own == [("", 0), ("target", 0), ("target", 1)]


async def test_more_carriers_than_there_are_is_unreachable(service: Service) -> None:
    wanted = target(share("Horror", 1.0), at_k=40)
    reply = await service.recommender.Recommend(request(k=40, target=wanted))
    assert status(reply) == "UNREACHABLE"
    assert "at most 1" in reply.target_report.message


async def test_exclusions_count_against_what_can_be_reached(service: Service) -> None:
    kept = sorted(CARRIERS["Horror"])[:2]
    excluded = sorted(CARRIERS["Horror"] - set(kept))
    wanted = target(share("Horror", 0.5))
    reply = await service.recommender.Recommend(request(exclude_item_ids=excluded, target=wanted))
    assert status(reply) == "UNREACHABLE"


async def test_where_it_is_unreachable_the_slate_goes_as_near_as_it_can(service: Service) -> None:
    kept = sorted(CARRIERS["Horror"])[:2]
    excluded = sorted(CARRIERS["Horror"] - set(kept))
    wanted = target(share("Horror", 1.0))
    reply = await service.recommender.Recommend(request(exclude_item_ids=excluded, target=wanted))
    assert carried(reply, "Horror") > 0


async def test_a_pinned_feature_group_is_saturated(service: Service) -> None:
    pinned = [
        rule_pb2.Rule(feature_index=i, operation=rule_pb2.OPERATION_SET, value=0) for i in range(3)
    ]
    wanted = target(share("Horror", 1.0))
    reply = await service.recommender.Recommend(request(*pinned, target=wanted))
    assert status(reply) == "SATURATED"
    assert reply.target_report.message


async def test_the_limit_on_the_shift_may_stop_a_target(start: Start) -> None:
    async with start(max_shift_share=0.05) as service:
        wanted = target(share("Horror", 1.0))
        reply = await service.recommender.Recommend(request(target=wanted))
    assert status(reply) == "LIMITED_BY_BUDGET"
    assert reply.shift.norm_share <= 0.05 + 1e-6


async def test_a_budget_may_stop_a_target(service: Service) -> None:
    wanted = target(share("Horror", 1.0))
    bound = budget(min_overlap=0.9)
    reply = await service.recommender.Recommend(request(target=wanted, budget=bound))
    assert status(reply) == "LIMITED_BY_BUDGET"
    assert reply.budget_report.overlap >= 0.9 - 1e-9


async def test_a_budget_wide_enough_stops_nothing(service: Service) -> None:
    wanted = target(share("Horror", 0.5))
    bound = budget(min_overlap=0.1)
    reply = await service.recommender.Recommend(request(target=wanted, budget=bound))
    assert (status(reply), reply.budget_report.edit_share) == ("ATTAINED", 1.0)


async def test_a_cold_start_reaches_no_target(service: Service) -> None:
    wanted = target(share("Horror", 0.5))
    reply = await service.recommender.Recommend(request(history=[], target=wanted))
    assert status(reply) == "UNREACHABLE"
    assert "cold start" in reply.target_report.message


async def test_disabled_steering_reaches_no_target(service: Service) -> None:
    asked = request(target=target(share("Horror", 0.5)), disable_steering=True)
    reply = await service.recommender.Recommend(asked)
    plain = await service.recommender.Recommend(request())
    assert (status(reply), ids(reply)) == ("UNREACHABLE", ids(plain))


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        (target(), "target.mix"),
        (target(*[share("Horror", 0.1)] * 9), "target.mix"),
        (target(share("Horror", 0.1), share("Horror", 0.2)), "target.mix[1].attribute"),
        (target(share("Horror", 1.5)), "target.mix[0].share"),
        (target(share("Horror", float("nan"))), "target.mix[0].share"),
        (target(share("", 0.5)), "target.mix[0].attribute"),
        (target(share("Horor", 0.5)), "target.mix[0].attribute"),
        (target(share("Horror", 0.5), at_k=201), "target.at_k"),
        (target(share("Horror", 0.5), at_k=-1), "target.at_k"),
        (target(share("Horror", 0.5), tolerance=0.0), "target.tolerance"),
        (target(share("Horror", 0.5), tolerance=float("nan")), "target.tolerance"),
    ],
)
async def test_a_target_out_of_bounds_is_refused_by_field(
    service: Service, wanted: recommender_pb2.Target, field: str
) -> None:
    error = await refusal(service.recommender.Recommend(request(target=wanted)))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert field in fields(error)


async def test_an_unknown_attribute_gets_the_nearest_name(service: Service) -> None:
    asked = request(history=[], target=target(share("Horor", 0.5)))
    error = await refusal(service.recommender.Recommend(asked))
    assert "did you mean genre=Horror?" in str(error.details())


# budget


@pytest.mark.parametrize("bound", [{"min_overlap": 0.7}, {"min_score_retained": 0.95}])
async def test_a_slate_stays_inside_its_budget(service: Service, bound: dict[str, float]) -> None:
    asked = request(add_genre("Horror", 4), budget=budget(**bound))
    report = (await service.recommender.Recommend(asked)).budget_report
    assert all(getattr(report, name.removeprefix("min_")) >= least for name, least in bound.items())


async def test_an_edit_is_held_back_no_further_than_needed(service: Service) -> None:
    asked = request(add_genre("Horror", 4), budget=budget(min_overlap=0.7))
    report = (await service.recommender.Recommend(asked)).budget_report
    assert 0 < report.edit_share < 1
    assert "min_overlap 0.7" in report.message


async def test_overlap_is_counted_against_the_unsteered_slate(service: Service) -> None:
    plain = await service.recommender.Recommend(request())
    asked = request(add_genre("Horror", 4), budget=budget(min_overlap=0.5))
    reply = await service.recommender.Recommend(asked)
    both = set(ids(plain)) & set(ids(reply))
    assert reply.budget_report.overlap == pytest.approx(len(both) / 10)


async def test_a_budget_that_allows_nothing_gives_the_unsteered_slate(service: Service) -> None:
    asked = request(add_genre("Horror", 4), budget=budget(min_overlap=1.0, min_score_retained=1.0))
    reply = await service.recommender.Recommend(asked)
    plain = await service.recommender.Recommend(request())
    assert set(ids(reply)) == set(ids(plain))


async def test_a_rule_that_the_budget_cut_says_so(service: Service) -> None:
    asked = request(add_genre("Horror", 4), budget=budget(min_overlap=0.7))
    (report,) = (await service.recommender.Recommend(asked)).rule_reports
    assert report.status == rule_pb2.RULE_STATUS_CLIPPED
    assert "budget" in report.message


@pytest.mark.parametrize(
    ("bound", "field"),
    [
        (budget(min_overlap=1.1), "budget.min_overlap"),
        (budget(min_score_retained=-0.1), "budget.min_score_retained"),
        (budget(at_k=1001), "budget.at_k"),
    ],
)
async def test_a_budget_out_of_bounds_is_refused_by_field(
    service: Service, bound: recommender_pb2.Budget, field: str
) -> None:
    error = await refusal(service.recommender.Recommend(request(add(), budget=bound)))
    assert fields(error) == [field]


# counterfactual


async def test_the_counterfactual_names_what_dropped_out(service: Service) -> None:
    reply = await service.recommender.Recommend(
        request(add_genre("Horror", 2), with_counterfactual=True)
    )
    catalogue = service.replica.current.snapshot.model("production").bundle.catalogue
    titles = dict(zip(catalogue.item_ids, catalogue.titles, strict=True))
    shown = {item.item_id: item.title for item in reply.counterfactual.items}
    assert shown == {item_id: titles[item_id] for item_id in shown}


async def test_the_counterfactual_is_the_slate_without_steering(service: Service) -> None:
    plain = await service.recommender.Recommend(request())
    asked = request(add_genre("Horror", 2), with_counterfactual=True)
    reply = await service.recommender.Recommend(asked)
    assert [item.item_id for item in reply.counterfactual.items] == ids(plain)


async def test_rank_moves_go_both_ways(service: Service) -> None:
    asked = request(add_genre("Horror", 2), with_counterfactual=True)
    reply = await service.recommender.Recommend(asked)
    slate = ids(reply)
    for place, item in enumerate(reply.counterfactual.items, start=1):
        if item.HasField("steered_rank"):
            own = reply.items[item.steered_rank - 1]
            assert (own.item_id, own.unsteered_rank) == (item.item_id, place)
        else:
            assert item.item_id not in slate


async def test_shares_of_every_attribute_are_told_where_they_moved(service: Service) -> None:
    plain = await service.recommender.Recommend(request())
    asked = request(add_genre("Horror", 2), with_counterfactual=True)
    reply = await service.recommender.Recommend(asked)
    told = {s.attribute.value: (s.share_before, s.share_after) for s in reply.counterfactual.shares}
    both = {genre: (carried(plain, genre), carried(reply, genre)) for genre in GENRES}
    assert told == {genre: own for genre, own in both.items() if own[0] != own[1]}


async def test_without_rules_nothing_moves(service: Service) -> None:
    counterfactual = (
        await service.recommender.Recommend(request(with_counterfactual=True))
    ).counterfactual
    assert (counterfactual.overlap, len(counterfactual.shares)) == (1.0, 0)


# contributions


async def test_linear_contributions_sum_to_the_whole_change(linear: Service) -> None:
    rules = [add_genre("Horror", 0.3), scale(4, 2.0), add(7, -0.1)]
    asked = request(*rules, with_rule_contributions=True, view=FULL)
    reply = await linear.recommender.Recommend(asked)
    assert method(reply.rule_contribution_method) == "EXACT"
    for item in reply.items:
        total = sum(own.score_change for own in item.rule_contributions)
        assert total == pytest.approx(item.score - item.unsteered_score, abs=1e-4)


async def test_rules_that_meet_in_a_feature_are_left_out_one_by_one(linear: Service) -> None:
    cap = rule_pb2.Rule(feature_index=0, operation=rule_pb2.OPERATION_CAP, value=0.1)
    asked = request(add_genre("Horror", 0.3), cap, with_rule_contributions=True)
    reply = await linear.recommender.Recommend(asked)
    assert method(reply.rule_contribution_method) == "LEAVE_ONE_OUT"


async def test_a_contribution_left_out_is_the_difference_that_a_request_shows(
    service: Service,
) -> None:
    one, other = add_genre("Horror", 0.5), add(7, 0.4)
    reply = await service.recommender.Recommend(request(one, other, with_rule_contributions=True))
    without = await service.recommender.Recommend(request(one, k=49))
    left = {item.item_id: item.score for item in without.items}
    assert method(reply.rule_contribution_method) == "LEAVE_ONE_OUT"
    for item in reply.items:
        (own,) = (c.score_change for c in item.rule_contributions if c.report_index == 1)
        assert own == pytest.approx(item.score - left[item.item_id], abs=1e-4)


async def test_a_target_is_a_rule_among_contributions(linear: Service) -> None:
    asked = request(
        add(7, 0.1), target=target(share("Horror", 0.5)), with_rule_contributions=True, view=FULL
    )
    reply = await linear.recommender.Recommend(asked)
    told = {own.report_index for item in reply.items for own in item.rule_contributions}
    assert reply.rule_reports[max(told)].rule_id == "target"


async def test_without_a_rule_there_is_nothing_to_tell(service: Service) -> None:
    reply = await service.recommender.Recommend(request(with_rule_contributions=True))
    assert method(reply.rule_contribution_method) == "UNSPECIFIED"


async def test_too_many_rules_to_tell_apart_are_refused(service: Service) -> None:
    asked = request(*(add(i % 30, 0.01) for i in range(33)), with_rule_contributions=True)
    error = await refusal(service.recommender.Recommend(asked))
    assert fields(error) == ["with_rule_contributions"]
    assert "33 rules" in str(error.details())


async def test_linear_features_are_activation_times_direction(
    linear: Service, linear_root: str
) -> None:
    bundle = Store(linear_root).load("production")
    model = TinyModel(hook_block=3)
    asked = request(add(0, 0.5), with_feature_contributions=True)
    reply = await linear.recommender.Recommend(asked)
    assert method(reply.feature_contribution_method) == "EXACT"
    for item in reply.items:
        direction = model.item_embeddings[int(item.item_id[1:])]
        for own in item.feature_contributions:
            raw = own.activation * bundle.reference_activations[own.feature_index]
            expected = raw * model.W_dec[own.feature_index] @ direction
            assert own.score_change == pytest.approx(expected, abs=1e-3)


async def test_features_come_largest_first_and_labelled(service: Service) -> None:
    asked = request(add_genre("Horror", 1), with_feature_contributions=True)
    reply = await service.recommender.Recommend(asked)
    for item in reply.items:
        sizes = [abs(own.score_change) for own in item.feature_contributions]
        assert sizes == sorted(sizes, reverse=True)
    assert "Horror" in {own.label for own in reply.items[0].feature_contributions}


async def test_features_drive_an_unsteered_slate_too(service: Service) -> None:
    asked = request(with_feature_contributions=True, disable_steering=True)
    reply = await service.recommender.Recommend(asked)
    assert all(item.feature_contributions for item in reply.items)


# rounds and neighbours


def wishful(number: int) -> recommender_pb2.RecommendRequest:
    """A request unlike those of other numbers; half of them are plain."""
    asked = varied(number)
    genre = GENRES[number % 4]
    if number % 2:
        asked.target.CopyFrom(target(share(genre, (number % 10) / 10), at_k=5 + number % 20))
    if number % 6 == 1:
        asked.budget.CopyFrom(budget(min_overlap=(number % 5) / 5))
    asked.with_counterfactual = number % 5 == 1
    asked.with_rule_contributions = number % 7 == 1
    asked.with_feature_contributions = number % 7 == 3
    return asked


@pytest.mark.parametrize("ask", [together, in_one_call])
async def test_searches_beside_each_other_answer_as_alone(service: Service, ask) -> None:  # type: ignore[no-untyped-def]
    requests = [wishful(number) for number in range(64)]
    one_by_one = [await service.recommender.Recommend(own) for own in requests]
    at_once = await ask(service, requests)
    assert [ids(own) for own in at_once] == [ids(own) for own in one_by_one]
    for one, other in zip(one_by_one, at_once, strict=True):
        assert one.target_report == other.target_report
        np.testing.assert_allclose(scores(other), scores(one), rtol=0, atol=1e-4)


async def test_a_search_of_all_positions_answers_beside_others_as_alone(
    start: Start, tmp_path: Path
) -> None:
    manifest = tiny_bundle(tmp_path / "b", TinyModel(hook_block=1))
    store = Store(str(tmp_path / "store"))
    store.publish(tmp_path / "b", manifest)
    store.promote("production", manifest.version)
    async with start(bundles=store.root, max_batch=5) as service:
        requests = [wishful(number) for number in range(32)]
        one_by_one = [await service.recommender.Recommend(own) for own in requests]
        at_once = await together(service, requests)
    assert [ids(own) for own in at_once] == [ids(own) for own in one_by_one]


async def test_a_plain_neighbour_of_a_search_has_the_bits_that_it_has_beside_any(
    service: Service,
) -> None:
    searching = request(target=target(share("Horror", 0.7)))
    calm, _ = await in_one_call(service, [request(), searching])
    again, _ = await in_one_call(service, [request(), searching])
    assert scores(calm) == scores(again)


async def test_a_plain_request_takes_one_run_beside_a_search(service: Service) -> None:
    before = runs(service.replica.metrics)
    await service.recommender.Recommend(request())
    assert runs(service.replica.metrics) == before + 1


async def test_a_search_that_is_cancelled_leaves_the_service_answering(service: Service) -> None:
    wanted = target(share("Horror", 1.0), share("Comedy", 1.0))
    calls = [service.recommender.Recommend(request(target=wanted)) for _ in range(8)]
    await asyncio.sleep(0)
    for call in calls:
        call.cancel()
    reply = await service.recommender.Recommend(request(target=target(share("Horror", 0.7))))
    assert status(reply) == "ATTAINED"
