"""The optional labeller, against a stand-in endpoint on a free port."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from model_store.cards import AttributeValue, FeatureCard, LabelEvidence, LabelSource, TopItem
from training.config import LabellerConfig
from training.dataset import Dataset, Item
from training.errors import LabellerRefused, LabellerUnavailable
from training.labeller import Labelled, Outcome, checked, labelled_by_model, question
from training.labeller_endpoint import KEY_VARIABLE

HORROR = AttributeValue(name="genre", value="Horror")
ITEMS = tuple(Item(f"i{n}", f"Title {n}", {"genre": ("Horror",)}) for n in range(3))
DATASET = Dataset("three", ITEMS, (), (), "0" * 64)
GOOD = {"label": "slow horror", "attributes": ["genre=Horror"], "reason": "All are slow."}

Answering = Callable[[dict[str, Any], dict[str, str]], tuple[int, str]]
"""Status and what the model wrote, of a request and its headers."""


class StandIn:
    """A chat endpoint that says what a test wants, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.answering: Answering = lambda _request, _headers: (200, json.dumps(GOOD))
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["content-length"])
                request = json.loads(self.rfile.read(length))
                stand_in.asked.append(request | {"path": self.path})
                status, text = stand_in.answering(request, dict(self.headers.items()))
                body = json.dumps(_completion(text) if status == 200 else {"error": text}).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}/v1"


def _completion(text: str) -> dict[str, Any]:
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return {"id": "1", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice]}


@pytest.fixture
def endpoint() -> Iterator[StandIn]:
    stand_in = StandIn()
    yield stand_in
    stand_in.server.shutdown()
    stand_in.server.server_close()


def _card(index: int) -> FeatureCard:
    rule = LabelEvidence(source=LabelSource.ATTRIBUTE, attribute=HORROR)
    return FeatureCard(
        feature_index=index,
        label="genre: Horror",
        label_evidence=rule,
        reference_activation=1,
        density=0.1,
        top_items=(TopItem(item_id=f"i{index % 3}", activation=1.0),),
    )


def _labelled(endpoint: StandIn, kept: Path, n: int = 1, **settings: object) -> Labelled:
    given = {"base_url": endpoint.url, "model": "m", "retries": 0} | settings
    config = LabellerConfig.model_validate(given)
    return labelled_by_model([_card(index) for index in range(n)], DATASET, config, kept)


def test_a_good_reply_becomes_the_label_and_says_where_it_is_from(
    endpoint: StandIn, tmp_path: Path
) -> None:
    (card,) = _labelled(endpoint, tmp_path).cards
    assert card.label == "slow horror"
    assert card.label_evidence == LabelEvidence(
        source=LabelSource.MODEL, attribute=HORROR, model="m", reason="All are slow."
    )


def test_the_model_is_told_the_prompt_and_the_card(endpoint: StandIn, tmp_path: Path) -> None:
    _labelled(endpoint, tmp_path)
    (asked,) = endpoint.asked
    assert asked["path"] == "/v1/chat/completions"
    assert asked["model"] == "m"
    system, user = (message["content"] for message in asked["messages"])
    assert "Answer with one JSON object" in system
    assert json.loads(user)["items"][0]["title"] == "Title 0"


@pytest.mark.parametrize(
    "answer",
    [
        "I would call it horror.",
        "",
        "[]",
        '{"label": ""}',
        '{"label": "two\\nlines"}',
        json.dumps({"label": "x" * 81}),
        '{"label": "horror", "mood": "dark"}',
        '{"label": "horror", "attributes": ["genre=Unheard"]}',
    ],
)
def test_a_reply_that_is_no_good_leaves_the_rules_label(answer: str) -> None:
    asked = question(_card(0), {item.item_id: item for item in ITEMS})
    assert checked(asked, answer) is None


def test_text_around_the_object_is_dropped() -> None:
    asked = question(_card(0), {item.item_id: item for item in ITEMS})
    reply = checked(asked, f"```json\n{json.dumps(GOOD)}\n```")
    assert reply is not None
    assert reply.label == "slow horror"


def test_outcomes_are_counted(endpoint: StandIn, tmp_path: Path) -> None:
    def answering(request: dict[str, Any], _headers: dict[str, str]) -> tuple[int, str]:
        told = request["messages"][1]["content"]
        return (500, "") if "Title 2" in told else (200, "junk" if "Title 1" in told else _good())

    endpoint.answering = answering
    found = _labelled(endpoint, tmp_path, n=3)
    assert found.outcomes == {
        Outcome.LABELLED: 1,
        Outcome.REFUSED: 1,
        Outcome.UNANSWERED: 1,
    }
    assert [card.label for card in found.cards] == ["slow horror", *2 * ["genre: Horror"]]


def test_a_failure_that_passes_is_asked_again(endpoint: StandIn, tmp_path: Path) -> None:
    endpoint.answering = lambda _request, _headers: (
        (500, "busy") if len(endpoint.asked) == 1 else (200, _good())
    )
    found = _labelled(endpoint, tmp_path, retries=1)
    assert found.outcomes[Outcome.LABELLED] == 1
    assert len(endpoint.asked) == 2


def test_a_second_run_asks_nothing(endpoint: StandIn, tmp_path: Path) -> None:
    first = _labelled(endpoint, tmp_path, n=3)
    again = _labelled(endpoint, tmp_path, n=3)
    assert (first.n_asked, again.n_asked, len(endpoint.asked)) == (3, 0, 3)
    assert again.cards == first.cards


def test_another_model_is_asked_anew(endpoint: StandIn, tmp_path: Path) -> None:
    _labelled(endpoint, tmp_path)
    assert _labelled(endpoint, tmp_path, model="other").n_asked == 1


def test_the_key_comes_from_the_environment_alone(
    endpoint: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(KEY_VARIABLE, "secret")
    sent: list[str] = []

    def answering(_request: dict[str, Any], headers: dict[str, str]) -> tuple[int, str]:
        sent.append({name.lower(): value for name, value in headers.items()}["authorization"])
        return 200, _good()

    endpoint.answering = answering
    _labelled(endpoint, tmp_path)
    assert sent == ["Bearer secret"]
    assert not any("secret" in path.read_text() for path in tmp_path.iterdir())


def test_a_refused_key_ends_the_run_and_says_what_to_set(endpoint: StandIn, tmp_path: Path) -> None:
    endpoint.answering = lambda _request, _headers: (401, "no")
    with pytest.raises(LabellerRefused, match=f"status 401: set .* {KEY_VARIABLE}"):
        _labelled(endpoint, tmp_path)


def test_a_wrong_address_says_what_to_check(endpoint: StandIn, tmp_path: Path) -> None:
    endpoint.answering = lambda _request, _headers: (404, "no")
    with pytest.raises(LabellerRefused, match=r"check labeller\.base_url"):
        _labelled(endpoint, tmp_path)


def test_a_slow_reply_is_given_up(endpoint: StandIn, tmp_path: Path) -> None:
    def slowly(_request: dict[str, Any], _headers: dict[str, str]) -> tuple[int, str]:
        time.sleep(0.4)
        return 200, _good()

    endpoint.answering = slowly
    with pytest.raises(LabellerUnavailable, match="does not answer"):
        _labelled(endpoint, tmp_path, timeout_s=0.1)


def test_an_endpoint_that_is_down_ends_the_run(endpoint: StandIn, tmp_path: Path) -> None:
    endpoint.answering = lambda _request, _headers: (503, "down")
    with pytest.raises(LabellerUnavailable, match="503"):
        _labelled(endpoint, tmp_path, n=30)


def test_no_more_features_are_asked_about_than_allowed(endpoint: StandIn, tmp_path: Path) -> None:
    found = _labelled(endpoint, tmp_path, n=5, max_features=2)
    assert found.n_asked == 2
    assert [card.label for card in found.cards[2:]] == 3 * ["genre: Horror"]


def _good() -> str:
    return json.dumps(GOOD)
