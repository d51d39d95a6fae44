"""One answered request: its id, and its form in the logs."""

import json
import re
import secrets
from base64 import b64decode, b64encode
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from google.protobuf import json_format
from google.protobuf.message import DecodeError
from steerrec.v1 import decision_pb2, recommender_pb2

from service.errors import DecisionUnreadable
from steering.plan import Limits

SAMPLED, PASSED_OVER = "s", "u"
"""First letter of an id: whether the log was to keep the decision."""
RANDOM_BITS = 48
TIME_DIGITS, RANDOM_DIGITS = 11, RANDOM_BITS // 4
"""Of an id, in hex; 11 digits of milliseconds last until the year 2527."""
WIRE = re.compile(r'\{"decision_id": "[0-9a-z]*", "wire": "([A-Za-z0-9+/=]*)"\}\s*')
"""The stored form of a decision that the contract's JSON cannot hold."""


class DecisionId(NamedTuple):
    """A name that tells when it was given and whether the log was to keep the decision."""

    is_sampled: bool
    milliseconds: int
    """Since 1970, by the clock of the replica that answered."""
    random: int
    """Tells decisions of one millisecond apart."""

    def __str__(self) -> str:
        letter = SAMPLED if self.is_sampled else PASSED_OVER
        return f"{letter}{self.milliseconds:0{TIME_DIGITS}x}{self.random:0{RANDOM_DIGITS}x}"


def new_decision_id(moment: datetime, sample_share: float) -> DecisionId:
    """A new id; in a part of `sample_share`, 0 to 1, of all cases a sampled one."""
    random = secrets.randbits(RANDOM_BITS)
    is_sampled = random < sample_share * 2**RANDOM_BITS
    return DecisionId(is_sampled, round(moment.timestamp() * 1000), random)


def parsed_decision_id(text: str) -> DecisionId | None:
    """The id that a text means; None: it is none of ours."""
    if len(text) != 1 + TIME_DIGITS + RANDOM_DIGITS or text[0] not in (SAMPLED, PASSED_OVER):
        return None
    try:
        milliseconds = int(text[1 : 1 + TIME_DIGITS], 16)
        own = DecisionId(text[0] == SAMPLED, milliseconds, int(text[1 + TIME_DIGITS :], 16))
    except ValueError:
        return None
    return own if str(own) == text else None


@dataclass(frozen=True, eq=False, slots=True)
class Answered:
    """One answer on its way into the log; the messages are not changed any more."""

    request: recommender_pb2.RecommendRequest
    """As received."""
    response: recommender_pb2.RecommendResponse
    """As sent, its decision_id filled in."""
    limits: Limits
    """Bounds of the edit."""
    moment: datetime
    """When schedules were read, UTC."""

    def to_proto(self, replica_id: str) -> decision_pb2.Decision:
        """The contract's message."""
        decision = decision_pb2.Decision(
            decision_id=self.response.decision_id,
            request=self.request,
            response=self.response,
            limits=decision_pb2.EditLimits(
                max_factor=self.limits.max_factor,
                max_activation=self.limits.max_activation,
                max_shift_share=self.limits.max_shift_share,
            ),
            replica_id=replica_id,
        )
        decision.decide_time.FromDatetime(self.moment)
        return decision


def limits_of(decision: decision_pb2.Decision) -> Limits:
    """Bounds of edits that held for the decision."""
    own = decision.limits
    return Limits(own.max_factor, own.max_activation, own.max_shift_share)


def moment_of(decision: decision_pb2.Decision) -> datetime:
    """When it was made, UTC."""
    return decision.decide_time.ToDatetime(UTC)


def to_json(decision: decision_pb2.Decision) -> str:
    """The stored form: the contract's JSON in one line; every number reads back as it was.

    A context may hold what JSON cannot, an infinite number; its decision is stored as wire bytes.
    """
    try:
        return json_format.MessageToJson(decision, preserving_proto_field_name=True, indent=None)
    except json_format.SerializeToJsonError:
        wire = b64encode(decision.SerializeToString()).decode()
        return json.dumps({"decision_id": decision.decision_id, "wire": wire})


def from_json(text: str) -> decision_pb2.Decision:
    """The decision that a stored line means; fields of later versions are passed over.

    Raises:
        DecisionUnreadable: the line is none.
    """
    try:
        if wire := WIRE.fullmatch(text):
            return decision_pb2.Decision.FromString(b64decode(wire[1]))
        return json_format.Parse(text, decision_pb2.Decision(), ignore_unknown_fields=True)
    except (json_format.ParseError, DecodeError, ValueError) as error:
        raise DecisionUnreadable(str(error)) from error
