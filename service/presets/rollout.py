"""A part of the callers, always the same ones.

A caller has a place of 10,000, from a hash of the salt and the caller's key. The first places are
inside, so that a larger percentage only adds callers, and the same salt takes the same ones.
"""

import math
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b

from steerrec.v1 import targeting_pb2

from service.errors import Violation

PLACES = 10_000
"""So that percentages go in steps of 0.01."""
MAX_CONTEXT_KEY = 100
MAX_SALT = 63


@dataclass(frozen=True, slots=True)
class Rollout:
    """Which part of the callers, and what tells them apart."""

    percent: float
    """0 to 100, in steps of 0.01."""
    context_key: str
    """Key of the context whose value tells callers apart."""
    salt: str = ""
    """Presets with the same one take the same callers; empty: the preset's name."""


@dataclass(frozen=True, slots=True)
class CompiledRollout:
    """A rollout, ready to be asked."""

    rollout: Rollout
    prefix: bytes
    """What is hashed before the caller's key."""
    count: int
    """Places that are inside, the first ones."""

    def why_not(self, context: Mapping[str, object]) -> str:
        """Why a caller is outside; empty: inside."""
        key = spelled(context.get(self.rollout.context_key))
        if not key:
            name = self.rollout.context_key
            return f"the context has no text, number or boolean {name!r} to tell callers apart"
        if place_of(self.prefix, key) < self.count:
            return ""
        return f"this caller is outside the {self.rollout.percent:g} %"


def compiled_rollout(rollout: Rollout, preset: str) -> CompiledRollout:
    """The rollout of a preset, by its name."""
    prefix = f"{rollout.salt or preset}\0".encode()  # no salt and no name holds a NUL
    return CompiledRollout(rollout, prefix, round(rollout.percent * PLACES / 100))


def place_of(prefix: bytes, key: str) -> int:
    """The caller's place, 0 to 9,999."""
    digest = blake2b(prefix + key.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest) % PLACES


def spelled(value: object) -> str:
    """A key's value as text; empty: it tells no callers apart.

    A number and its text are one caller (42, 42.0 and "42"), since clients differ in how they send
    an id; text is taken as it is, case and spaces included. Numbers beyond 2**53 are doubles and
    no longer exact: send such ids as text.
    """
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case int() | float() if math.isfinite(value):
            return str(int(value)) if value == int(value) else repr(value)
        case _:
            return ""


def rollout_from_proto(message: targeting_pb2.Rollout) -> Rollout:
    """The rollout that a message means, sound or not."""
    return Rollout(message.percent, message.context_key, message.salt)


def rollout_to_proto(rollout: Rollout) -> targeting_pb2.Rollout:
    """The message that means the rollout."""
    return targeting_pb2.Rollout(
        percent=rollout.percent, context_key=rollout.context_key, salt=rollout.salt
    )


def rollout_violations(rollout: Rollout, field: str) -> Iterator[Violation]:
    """What is wrong with a rollout; paths start with `field`."""
    places = rollout.percent * PLACES / 100
    if not 0 <= rollout.percent <= 100:
        yield Violation(f"{field}.percent", f"{rollout.percent:g} is not within 0 to 100")
    elif abs(places - round(places)) > 1e-6:
        yield Violation(f"{field}.percent", f"{rollout.percent!r} must go in steps of 0.01")
    if not rollout.context_key:
        yield Violation(
            f"{field}.context_key", 'is required: the key that tells callers apart, e.g. "user_id"'
        )
    yield from _text_violations(f"{field}.context_key", rollout.context_key, MAX_CONTEXT_KEY)
    yield from _text_violations(f"{field}.salt", rollout.salt, MAX_SALT)


def _text_violations(field: str, text: str, most: int) -> Iterator[Violation]:
    if len(text) > most:
        yield Violation(field, f"{len(text)} characters; at most {most}")
    if any(unicodedata.category(own) == "Cc" for own in text):
        yield Violation(field, f"{text[:most]!r} holds a control character")
