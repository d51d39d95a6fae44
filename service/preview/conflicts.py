"""Where a preset contradicts another that is in force: floors above caps, unlike SETs."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from service.presets.compiled import CompiledPreset, CompiledPresets
from steering.resolved import ResolvedRule
from steering.rules import Operation

MAX_TOLD = 3
"""Features that a sentence names."""
CONDITIONAL = " (where their conditions hold)"


@dataclass(frozen=True, slots=True)
class Conflict:
    """One preset in force that contradicts a draft."""

    preset: str
    revision: int
    message: str
    """What contradicts what, for a person."""


Bound = tuple[float, ResolvedRule]


@dataclass(slots=True)
class _Bounds:
    """What a preset demands of one feature, raw; of several rules the most demanding."""

    sets: list[Bound] = field(default_factory=list)
    floors: list[Bound] = field(default_factory=list)
    caps: list[Bound] = field(default_factory=list)


def conflicts(draft: CompiledPreset, presets: CompiledPresets) -> Iterator[Conflict]:
    """Presets in force that contradict the draft, by name; its own name is passed over.

    Rules are compared whatever their conditions: a request may bring both about.
    """
    own = _bounds(draft.rules)
    if not own:
        return
    for name in sorted(presets.by_name):
        other = presets.layer(name)
        if name == draft.name or not isinstance(other, CompiledPreset):
            continue
        if found := list(_contradictions(own, _bounds(other.rules))):
            yield Conflict(name, other.revision, _sentence(found))


def _bounds(rules: Sequence[ResolvedRule]) -> Mapping[int, _Bounds]:
    found: defaultdict[int, _Bounds] = defaultdict(_Bounds)
    for rule in rules:
        operation = rule.rule.operation
        if operation in (Operation.SCALE, Operation.ADD):
            continue
        for index, value in zip(rule.indices.tolist(), rule.values.tolist(), strict=True):
            match operation:
                case Operation.SET:
                    found[index].sets.append((value, rule))
                case Operation.FLOOR:
                    found[index].floors.append((value, rule))
                case Operation.CAP:
                    found[index].caps.append((value, rule))
    return found


def _contradictions(own: Mapping[int, _Bounds], other: Mapping[int, _Bounds]) -> Iterator[str]:
    """One sentence for each feature on which both cannot hold."""
    for index in sorted(own.keys() & other.keys()):
        mine, theirs = own[index], other[index]
        yield from _crossing(index, mine.floors, theirs.caps, "its FLOOR", "their CAP")
        yield from _crossing(index, theirs.floors, mine.caps, "their FLOOR", "its CAP")
        yield from _unlike(index, mine.sets, theirs.sets)


def _crossing(
    index: int, floors: Sequence[Bound], caps: Sequence[Bound], one: str, other: str
) -> Iterator[str]:
    """A FLOOR above a CAP: a request that gets both is refused."""
    if not (floors and caps):
        return
    floor, cap = max(floors, key=_value), min(caps, key=_value)
    if floor[0] > cap[0]:
        when = _conditions(floor, cap)
        yield f"on feature {index} {one} of {floor[0]:g} lies above {other} of {cap[0]:g}{when}"


def _unlike(index: int, mine: Sequence[Bound], theirs: Sequence[Bound]) -> Iterator[str]:
    """Two SETs: the preset that applies later wins."""
    pairs = ((one, other) for one in mine for other in theirs if one[0] != other[0])
    if (pair := next(pairs, None)) is not None:
        one, other = pair
        yield (
            f"feature {index} is SET to {one[0]:g} by it and to {other[0]:g} by them: the preset"
            f" that applies later wins{_conditions(one, other)}"
        )


def _value(bound: Bound) -> float:
    return bound[0]


def _conditions(*bounds: Bound) -> str:
    return CONDITIONAL if any(rule.condition is not None for _, rule in bounds) else ""


def _sentence(found: Sequence[str]) -> str:
    more = len(found) - MAX_TOLD
    rest = [f"and {more} more"] if more > 0 else []
    return "; ".join([*found[:MAX_TOLD], *rest])
