"""The data set: how many users, items and interactions, and what is known of items."""

from training.study.report.blocks import Block, Points, Section, Table
from training.study.report.results import DataFacts, StudyResults
from training.study.report.wording import count


def section(results: StudyResults) -> Section:
    """The section."""
    facts = results.data
    return Section(
        name="data",
        title="The data set",
        question="On what was everything measured?",
        answer=_answer(facts),
        blocks=_blocks(facts),
        reading=(
            "Each user's newest item is hidden and has to be found among all items that the user"
            " has not had yet: the test item. The item before it is for choosing settings: the"
            " validation item. Everything older is what models learn from.",
        ),
    )


def _answer(facts: DataFacts) -> str:
    mean = facts.n_interactions / max(facts.n_users, 1)
    return (
        f"{facts.name} holds {count(facts.n_interactions)} interactions of"
        f" {count(facts.n_users)} users with {count(facts.n_items)} items,"
        f" {mean:.1f} a user. {count(facts.n_evaluated)} users have a history that is long enough"
        " to be tested on. What is known of items (attributes) is never shown to the models:"
        " it only serves to find out what they learned."
    )


def _blocks(facts: DataFacts) -> list[Block]:
    filled = facts.n_interactions / max(facts.n_users * facts.n_items, 1)
    rows = [
        ("users", count(facts.n_users)),
        ("... with a test item", count(facts.n_evaluated)),
        ("items", count(facts.n_items)),
        ("interactions", count(facts.n_interactions)),
        ("share of all user-item pairs", f"{100 * filled:.2f} %"),
        *((f"values of the attribute {name}", count(n)) for name, n in facts.n_values.items()),
    ]
    blocks: list[Block] = [Table(f"{facts.name} in numbers", ("what", "how many"), rows)]
    if facts.notes:
        blocks.append(Points("Left out while reading", facts.notes))
    return blocks
