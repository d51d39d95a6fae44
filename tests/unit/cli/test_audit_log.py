"""What `steerrec audit verify` says of a chain."""

from datetime import UTC, datetime

import pytest

from cli.audit_log import Chain, expected_tip, show_verification, verified
from cli.errors import Refused
from service.presets.audit import (
    START,
    AuditAction,
    AuditEvent,
    Tip,
    chained,
    event_to_proto,
)


def chain_of(n: int) -> Chain:
    """An unbroken chain of n events."""
    tip, messages = START, []
    for number in range(1, n + 1):
        event = AuditEvent(
            sequence=number,
            action=AuditAction.CREATED,
            name=f"preset-{number}",
            revision=1,
            etag="1-x",
            content_hash="0" * 64,
            author="ada",
            reason="a reason",
            event_time=datetime(2026, 12, 1, tzinfo=UTC),
            previous_hash="",
        )
        placed = chained(event, tip)
        tip = placed.tip
        messages.append(event_to_proto(placed))
    return Chain(messages, tip)


def test_an_unbroken_chain_holds_all_its_events() -> None:
    found = verified(chain_of(3), None)
    assert (found.n_events, found.broken) == (3, None)


def test_a_changed_reason_breaks_the_chain_where_it_was_changed() -> None:
    read = chain_of(3)
    read.events[1].reason = "another"
    found = verified(read, None)
    assert found.broken is not None
    assert found.broken.sequence == 2


def test_a_tip_that_the_chain_grew_past_still_holds() -> None:
    assert verified(chain_of(5), chain_of(3).tip).broken is None


def test_a_chain_cut_together_with_its_tip_is_found_by_a_tip_noted_before() -> None:
    assert verified(chain_of(3), None).broken is None
    found = verified(chain_of(3), chain_of(5).tip)
    assert found.broken is not None
    assert "does not hold event 5" in found.broken.why


def test_a_broken_chain_ends_the_command() -> None:
    with pytest.raises(Refused, match="the chain is broken at event 5"):
        show_verification(verified(chain_of(3), chain_of(5).tip), as_json=True)


def test_the_events_and_the_tip_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    read = chain_of(2)
    show_verification(verified(read, None), as_json=False)
    assert capsys.readouterr().out == f"events that hold: 2; tip 2:{read.tip.hash}\n"


def test_a_tip_is_read_as_it_is_printed() -> None:
    assert expected_tip("3:abc") == Tip(3, "abc")


def test_a_tip_that_is_none_is_refused() -> None:
    with pytest.raises(Refused):
        expected_tip("abc")
