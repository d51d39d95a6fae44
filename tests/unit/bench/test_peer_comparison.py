"""What the table of the servers says, of figures that are known."""

import struct

import numpy as np
import pytest
from numpy.typing import NDArray

from bench.peers import v2
from bench.peers.comparison import (
    Measured,
    best_of_ours,
    over,
    over_at_equal_p99,
    rate_within,
)
from bench.peers.contenders import Contender, Slate, bodies_of, difference
from bench.peers.environments import Missing, last_line
from bench.peers.frame import Row
from bench.peers.load import figures
from bench.peers.peer import Way, Wire
from bench.peers.repeated import figures as h2load_figures

CURVE = [(100.0, 2.0), (400.0, 4.0), (500.0, 10.0)]
REPORT = """
finished in 2.00s, 1881.00 req/s, 650.52KB/s
requests: 3762 total, 3762 started, 3762 done, 3762 succeeded, 0 failed, 0 errored, 0 timeout
status codes: 3762 2xx, 0 3xx, 0 4xx, 0 5xx
traffic: 1.27MB (1332288) total, 110.00KB (112640) headers, 1.01MB (1061000) data
                     min         max         mean         sd        +/- sd
time for request:     1.32ms     13.30ms      4.16ms      1.52ms    69.27%
"""
ROW = Row(
    items=np.array([5, 7]),
    excluded=np.array([5, 7, 9]),
    features=np.array([3, 1]),
    operations=np.array([2, 1]),
    values=np.array([0.5, 2.0], dtype=np.float32),
    k=2,
)


def measured(name: str, *rates: float, p99_ms: float = 5.0, is_ours: bool = False) -> Measured:
    """One server at 8 in flight, a rate for each repetition."""
    way = Way(Wire.GRPC, "/")
    own = Measured(Contender(name, "", way, [], pytest.fail, is_ours=is_ours))
    for rate in rates:
        own.add(8, {"per_s": rate, "p99_ms": p99_ms})
    return own


def slate(items: list[int], scores: list[float]) -> Slate:
    return np.array(items), np.array(scores, dtype=np.float32)


def test_the_rate_within_a_bound_is_the_highest_that_keeps_to_it() -> None:
    assert rate_within(CURVE, 4.0) == 400


def test_between_two_loops_rate_and_p99_go_in_a_straight_line() -> None:
    assert rate_within(CURVE, 7.0) == 450


def test_a_bound_below_every_p99_leaves_no_rate() -> None:
    assert rate_within(CURVE, 1.0) == 0


def test_a_slower_loop_of_more_calls_does_not_hide_a_faster_one() -> None:
    assert rate_within([(400.0, 3.0), (300.0, 9.0)], 6.0) == 400


def test_ratios_are_taken_within_each_repetition() -> None:
    ours, other = measured("ours", 10, 100, 30), measured("other", 10, 50, 30)
    assert over(ours, other, 8) == 1


def test_a_server_that_never_keeps_to_our_p99_has_no_ratio() -> None:
    ours, other = measured("ours", 10, p99_ms=5.0), measured("other", 10, p99_ms=6.0)
    assert over_at_equal_p99(ours, other, 8) is None


def test_a_server_within_our_p99_is_compared_at_its_rate() -> None:
    ours, other = measured("ours", 30, p99_ms=5.0), measured("other", 10, p99_ms=4.0)
    assert over_at_equal_p99(ours, other, 8) == 3


def test_a_loop_without_answers_is_no_point_of_the_curve() -> None:
    assert measured("dead", 0, p99_ms=0.0).curve(0) == []


def test_ours_is_the_number_of_processes_that_answers_most() -> None:
    two = measured("two", 20, is_ours=True)
    every = [measured("one", 10, is_ours=True), two, measured("other", 99)]
    assert best_of_ours(every, 8) is two


def test_slates_with_equal_scores_in_another_order_are_the_same() -> None:
    assert difference(slate([1, 2], [3.0, 3.0]), slate([2, 1], [3.0, 3.0])) is None


def test_an_item_that_ties_with_the_last_may_stand_for_it() -> None:
    assert difference(slate([1, 3], [3.0, 2.0]), slate([1, 2], [3.0, 2.0])) is None


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (slate([1], [3.0]), "1 items, not 2"),
        (slate([1, 2], [3.0, 2.5]), "scores are off by 0.5"),
        (slate([4, 2], [3.0, 2.0]), "item 4 at place 1"),
        (slate([2, 1], [3.0, 2.0]), "item 2 at place 1"),
    ],
)
def test_another_slate_is_told_apart(given: Slate, why: str) -> None:
    assert difference(given, slate([1, 2], [3.0, 2.0])) == why


def test_a_grpc_body_is_framed() -> None:
    assert bodies_of(Way(Wire.GRPC, "/"), [b"abc"]) == [(struct.pack(">BI", 0, 3) + b"abc").hex()]


def test_an_http_body_is_not() -> None:
    assert bodies_of(Way(Wire.HTTP1, "/"), [b"abc"]) == [b"abc".hex()]


def test_percentiles_are_latencies_that_were_met() -> None:
    own = figures([n / 1000 for n in range(1, 101)], 2.0)
    assert (own["per_s"], own["p50_ms"], own["p99_ms"]) == (50, 51, 100)


def test_h2loads_report_is_read() -> None:
    assert h2load_figures(REPORT, 282) == {"per_s": 1881.0, "mean_ms": 4.16}


def test_answers_without_their_bytes_are_no_answers() -> None:
    with pytest.raises(Missing, match="1061000 bytes in 3762 answers"):
        h2load_figures(REPORT, 400)


def test_a_report_without_figures_is_no_answer() -> None:
    with pytest.raises(Missing, match="no answer"):
        h2load_figures("", 400)


def test_the_last_line_that_says_something_is_the_reason() -> None:
    assert last_line("Traceback\n  File\nValueError: no such option\n\n") == (
        "ValueError: no such option"
    )


def tensors(body: bytes) -> dict[str, NDArray[np.generic]]:
    request = v2.messages()["inference.ModelInferRequest"].FromString(body)
    types = {"INT64": "<i8", "FP32": "<f4"}
    return {
        own.name: np.frombuffer(raw, types[own.datatype]).reshape(own.shape)
        for own, raw in zip(request.inputs, request.raw_input_contents, strict=True)
    }


def test_a_v2_question_holds_every_input_of_the_steered_graph() -> None:
    found = tensors(v2.WAY.encode(ROW))
    assert {name: own.tolist() for name, own in found.items()} == {
        "items": [[5, 7]],
        "excluded": [[5, 7, 9]],
        "rule_features": [[3, 1]],
        "rule_operations": [[2, 1]],
        "rule_values": [[0.5, 2.0]],
        "k": [[2]],
    }


def test_a_padded_v2_question_has_one_shape() -> None:
    found = tensors(v2.padded(4, 5).encode(ROW))
    assert found["items"].tolist() == [[0, 0, 5, 7]]
    assert found["excluded"].tolist() == [[5, 7, 9, 0, 0]]


def test_a_dense_question_has_a_factor_and_an_addend_for_every_feature() -> None:
    found = tensors(v2.naive(4).encode(ROW))
    assert found["factor"].tolist() == [[1, 2, 1, 1]]
    assert found["addend"].tolist() == [[0, 0, 0, 0.5]]


def test_a_v2_answer_is_read_by_its_tensors_names() -> None:
    response = v2.messages()["inference.ModelInferResponse"]()
    for name, raw in (
        ("top_scores", np.array([2.0, 1.0], dtype=np.float32)),
        ("top_items", np.array([8, 6])),
    ):
        response.outputs.add(name=name)
        response.raw_output_contents.append(raw.tobytes())
    items, scores = v2.WAY.decode(response.SerializeToString())
    assert (items.tolist(), scores.tolist()) == ([8, 6], [2.0, 1.0])


def test_a_v2_answer_without_its_tensors_is_refused() -> None:
    with pytest.raises(ValueError, match="raw tensors none"):
        v2.WAY.decode(b"")
