"""Questions to an OpenAI-compatible endpoint: a few at a time, retried, answered once for all."""

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from training.config import LabellerConfig
from training.errors import LabellerMissing, LabellerRefused, LabellerUnavailable
from training.storage import replace_text

if TYPE_CHECKING:
    from openai import OpenAI

PROMPT_FILE = Path(__file__).parent / "prompts" / "label_feature.txt"
KEY_VARIABLE = "STEERREC_CLIENT_LABELLER_KEY"
"""Environment variable with the endpoint's key; unset where it asks for none."""
NO_KEY = "none"
"""Sent where there is no key: the client wants one."""
MOST_FAILURES = 8
"""Questions in a row without an answer, after which the endpoint counts as unavailable."""


class Answer(NamedTuple):
    """What came of one question."""

    text: str | None
    """All that the model wrote; None: no answer came, after retries."""
    was_asked: bool
    """Whether it was sent now, and not kept from before."""
    cause: str = ""
    """Why none came."""


def answers(questions: Sequence[str], config: LabellerConfig, kept: Path) -> Iterator[Answer]:
    """The answer to each question, in their order; answers are kept in the folder.

    Raises:
        LabellerMissing: the client is not installed.
        LabellerRefused: the endpoint refuses the question, as it would every other.
        LabellerUnavailable: no answer came to many questions in a row.
    """
    kept.mkdir(parents=True, exist_ok=True)
    failures, most = 0, min(MOST_FAILURES, len(questions))
    with _client(config) as client:
        pool = ThreadPoolExecutor(config.concurrency)
        try:
            for answer in pool.map(lambda asked: _answer(asked, client, config, kept), questions):
                failures = failures + 1 if answer.text is None else 0
                if failures == most:
                    raise LabellerUnavailable(config.base_url, answer.cause)
                yield answer
        finally:
            pool.shutdown(cancel_futures=True)


def labeller_key(config: LabellerConfig) -> str:
    """Digest of what answers depend on beside the question: endpoint, model and prompt."""
    return _digest(config.base_url, config.model, prompt())


def prompt() -> str:
    """What the model is told to do."""
    return PROMPT_FILE.read_text(encoding="utf-8")


def _client(config: LabellerConfig) -> "OpenAI":
    """The client: it retries what may pass (408, 409, 429, 5xx, no connection), waiting longer
    each time or as long as the endpoint says."""
    try:
        from openai import OpenAI  # noqa: PLC0415 - an optional extra
    except ImportError as error:
        raise LabellerMissing from error
    return OpenAI(
        base_url=config.base_url,
        api_key=os.environ.get(KEY_VARIABLE) or NO_KEY,
        timeout=config.timeout_s,
        max_retries=config.retries,
    )


def _answer(asked: str, client: "OpenAI", config: LabellerConfig, kept: Path) -> Answer:
    path = kept / f"{_digest(labeller_key(config), asked)}.json"
    if (known := _kept_text(path)) is not None:
        return Answer(known, was_asked=False)
    answer = _sent(asked, client, config)
    if answer.text is not None:
        replace_text(path, json.dumps(answer.text))
    return answer


def _kept_text(path: Path) -> str | None:
    """The answer in the file; None where there is none, or the file is damaged."""
    try:
        kept = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    return kept if isinstance(kept, str) else None


def _sent(asked: str, client: "OpenAI", config: LabellerConfig) -> Answer:
    import openai  # noqa: PLC0415 - as above

    try:
        completion = client.chat.completions.create(
            model=config.model,
            messages=[
                {"role": "system", "content": prompt()},
                {"role": "user", "content": asked},
            ],
            temperature=0,
        )
    except openai.APIStatusError as error:
        if error.status_code in _REMEDIES:
            remedy = _REMEDIES[error.status_code]
            raise LabellerRefused(config.base_url, error.status_code, remedy) from error
        return Answer(None, was_asked=True, cause=f"HTTP {error.status_code}")
    except openai.APIError as error:
        return Answer(None, was_asked=True, cause=str(error))
    choices = completion.choices or []
    text = choices[0].message.content if choices else None
    return Answer(text or "", was_asked=True)


_REMEDIES = {
    401: f"set the environment variable {KEY_VARIABLE} to a valid key",
    403: f"the key in {KEY_VARIABLE} may not use this model",
    404: "check labeller.base_url (it usually ends in /v1) and labeller.model",
}
"""What to do about a status that every question would get."""


def _digest(*parts: str) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:24]
