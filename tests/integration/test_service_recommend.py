"""Recommend over a real channel."""

import numpy as np
import pytest
from steerrec.v1 import recommender_pb2

from tests.integration.asking import (
    HISTORY,
    add,
    add_genre,
    ids,
    reasons,
    request,
    scale,
    scores,
    statuses,
)
from tests.integration.conftest import Service
from tests.tiny_model import TinyModel, best

FULL = recommender_pb2.VIEW_FULL


def reference_slate(model: TinyModel, k: int) -> list[str]:
    """What the numpy reference ranks after HISTORY, the history itself left out."""
    known = [int(item[1:]) for item in HISTORY]
    scores = model.scores(model.hidden(known))
    scores[known] = -np.inf
    return [f"i{index}" for index in best(scores, k)]


async def test_the_slate_is_the_models(service: Service, tiny_model: TinyModel) -> None:
    response = await service.recommender.Recommend(request(k=20))
    assert ids(response) == reference_slate(tiny_model, 20)


async def test_a_reply_names_its_bundle(service: Service) -> None:
    assert (await service.recommender.Recommend(request())).model_version == "tiny-1"


async def test_a_reply_echoes_the_callers_id(service: Service) -> None:
    response = await service.recommender.Recommend(request(request_id="mine"))
    assert response.request_id == "mine"


async def test_the_request_id_is_in_the_trailers(service: Service) -> None:
    call = service.recommender.Recommend(request(request_id="größe"))
    assert ("x-request-id", "gr%C3%B6%C3%9Fe") in tuple(await call.trailing_metadata())


async def test_a_rule_moves_the_slate(service: Service) -> None:
    plain = await service.recommender.Recommend(request())
    steered = await service.recommender.Recommend(request(add_genre("Horror", 2)))
    assert ids(plain) != ids(steered)


async def test_a_rule_that_moved_something_is_applied(service: Service) -> None:
    response = await service.recommender.Recommend(request(add()))
    assert statuses(response) == ["APPLIED"]


async def test_adding_raises_the_reported_activation_by_the_value(service: Service) -> None:
    (report,) = (await service.recommender.Recommend(request(add(value=0.5)))).rule_reports
    assert report.activation_after - report.activation_before == pytest.approx(0.5)


async def test_the_shift_is_reported(service: Service) -> None:
    assert (await service.recommender.Recommend(request(add()))).shift.norm_share > 0


async def test_a_condition_reads_the_context(service: Service) -> None:
    asked = request(add(condition="context.surface == 'home'"))
    asked.context["surface"] = "search"
    assert statuses(await service.recommender.Recommend(asked)) == ["CONDITION_FALSE"]


async def test_identity_rules_leave_the_slate_bit_for_bit(service: Service) -> None:
    plain = await service.recommender.Recommend(request())
    same = await service.recommender.Recommend(request(scale(0, 1), add(1, 0)))
    assert scores(same) == scores(plain)


async def test_disabled_rules_are_left_out(service: Service) -> None:
    plain = await service.recommender.Recommend(request())
    disabled = await service.recommender.Recommend(request(add(value=3), disable_steering=True))
    assert scores(disabled) == scores(plain)


async def test_disabled_rules_are_reported(service: Service) -> None:
    disabled = await service.recommender.Recommend(request(add(value=3), disable_steering=True))
    assert disabled.rule_reports[0].message == "left out: disable_steering is set"


async def test_the_history_is_not_recommended(service: Service) -> None:
    assert not set(HISTORY) & set(ids(await service.recommender.Recommend(request(k=46))))


async def test_the_history_may_be_included(service: Service) -> None:
    response = await service.recommender.Recommend(request(k=50, include_history=True))
    assert set(HISTORY) <= set(ids(response))


async def test_excluded_items_are_not_recommended(service: Service) -> None:
    first = ids(await service.recommender.Recommend(request()))[0]
    response = await service.recommender.Recommend(request(exclude_item_ids=[first, "nope"]))
    assert first not in ids(response)


async def test_items_that_were_cut_off_are_still_not_recommended(service: Service) -> None:
    history = [f"i{index}" for index in range(1, 31)]
    response = await service.recommender.Recommend(request(history=history, k=20))
    assert not set(history) & set(ids(response))


async def test_a_long_history_is_read_as_its_newest_items(service: Service) -> None:
    history = [f"i{index}" for index in range(1, 31)]
    long = await service.recommender.Recommend(request(history=history, include_history=True))
    newest = await service.recommender.Recommend(
        request(history=history[-10:], include_history=True)
    )
    assert scores(long) == scores(newest)


async def test_a_long_history_is_flagged_with_what_was_cut(service: Service) -> None:
    history = [f"i{index}" for index in range(1, 31)]
    response = await service.recommender.Recommend(request(history=history))
    assert [(own.reason, own.count) for own in response.degraded] == [
        (recommender_pb2.DEGRADED_REASON_HISTORY_TRUNCATED, 20)
    ]


async def test_unknown_items_are_skipped_and_counted(service: Service) -> None:
    response = await service.recommender.Recommend(request(history=["x", *HISTORY, "y"]))
    assert [(own.reason, own.count) for own in response.degraded] == [
        (recommender_pb2.DEGRADED_REASON_UNKNOWN_ITEMS, 2)
    ]


async def test_unknown_items_change_nothing_else(service: Service) -> None:
    plain = await service.recommender.Recommend(request())
    response = await service.recommender.Recommend(request(history=["x", *HISTORY, "y"]))
    assert scores(response) == scores(plain)


@pytest.mark.parametrize("history", [(), ("x", "y")])
async def test_no_known_item_gives_the_cold_start_slate(
    service: Service, history: tuple[str, ...]
) -> None:
    response = await service.recommender.Recommend(request(history=history))
    catalogue = service.replica.current.snapshot.model("production").bundle.catalogue
    assert ids(response) == [catalogue.item_ids[index] for index in catalogue.popularity[:10]]


async def test_a_cold_start_is_flagged(service: Service) -> None:
    response = await service.recommender.Recommend(request(history=["x"]))
    assert reasons(response) == ["UNKNOWN_ITEMS", "COLD_START"]


async def test_a_cold_start_reports_its_rules_inactive(service: Service) -> None:
    response = await service.recommender.Recommend(request(add(), history=()))
    assert statuses(response) == ["INACTIVE"]


async def test_a_cold_start_leaves_out_what_is_excluded(service: Service) -> None:
    first = ids(await service.recommender.Recommend(request(history=())))[0]
    response = await service.recommender.Recommend(request(history=(), exclude_item_ids=[first]))
    assert first not in ids(response)


async def test_a_short_slate_says_how_many_are_missing(service: Service) -> None:
    response = await service.recommender.Recommend(request(k=1000))
    assert [(own.reason, own.count) for own in response.degraded] == [
        (recommender_pb2.DEGRADED_REASON_SHORT_SLATE, 1000 - 46)
    ]


async def test_the_full_view_has_titles(service: Service) -> None:
    response = await service.recommender.Recommend(request(view=FULL))
    assert all(item.title == f"Item {item.item_id[1:]}" for item in response.items)


async def test_the_full_view_has_attributes(service: Service, tiny_model: TinyModel) -> None:
    first = (await service.recommender.Recommend(request(view=FULL))).items[0]
    genres = tuple(attribute.value for attribute in first.attributes)
    assert genres == tiny_model.genres(int(first.item_id[1:]))


async def test_the_basic_view_has_no_titles(service: Service) -> None:
    response = await service.recommender.Recommend(request())
    assert not any(item.title or item.HasField("unsteered_rank") for item in response.items)


async def test_unsteered_ranks_are_those_of_the_unsteered_slate(service: Service) -> None:
    plain = ids(await service.recommender.Recommend(request(k=46)))
    steered = await service.recommender.Recommend(request(add_genre("Horror", 2), view=FULL))
    assert [item.unsteered_rank for item in steered.items] == [
        plain.index(item.item_id) + 1 for item in steered.items
    ]


async def test_unsteered_scores_are_those_of_the_unsteered_slate(service: Service) -> None:
    plain = await service.recommender.Recommend(request(k=46))
    score_of = dict(zip(ids(plain), scores(plain), strict=True))
    steered = await service.recommender.Recommend(request(add_genre("Horror", 2), view=FULL))
    assert [item.unsteered_score for item in steered.items] == pytest.approx(
        [score_of[item.item_id] for item in steered.items], rel=1e-5
    )


async def test_without_rules_the_unsteered_score_is_the_score(service: Service) -> None:
    response = await service.recommender.Recommend(request(view=FULL))
    assert [item.unsteered_score for item in response.items] == scores(response)


async def test_active_features_are_the_references(service: Service, tiny_model: TinyModel) -> None:
    response = await service.recommender.Recommend(request(view=FULL))
    known = [int(item[1:]) for item in HISTORY]
    active = np.flatnonzero(tiny_model.activations(tiny_model.hidden(known))[-1])
    assert {own.feature_index for own in response.active_features} == set(active.tolist())


async def test_active_features_come_strongest_first(service: Service) -> None:
    response = await service.recommender.Recommend(request(view=FULL))
    strengths = [own.activation for own in response.active_features]
    assert strengths == sorted(strengths, reverse=True)


@pytest.mark.parametrize("model", ["", "production", "tiny-1"])
async def test_a_model_is_named_by_label_or_version(service: Service, model: str) -> None:
    assert (await service.recommender.Recommend(request(model=model))).model_version == "tiny-1"
