"""What workers are given."""

import json
from typing import Any

from service.settings import Settings, cores, load_settings
from service.workers import worker_settings


def given(**fields: Any) -> Settings:
    """The settings of a worker whose parent has these."""
    own = worker_settings(load_settings({}, **fields), bind="h:7", redis_url="redis://:pw@h/0")
    return Settings.model_validate(json.loads(json.dumps(own)))


def test_a_worker_gets_the_address_that_the_parent_holds() -> None:
    assert given(bind="h:0", workers=2).bind == "h:7"


def test_a_worker_gets_the_url_of_redis_whole() -> None:
    url = given(workers=2).redis_url
    assert url is not None
    assert url.get_secret_value() == "redis://:pw@h/0"


def test_workers_divide_the_cores() -> None:
    assert given(workers=256).model_threads == max(1, cores() // 256)


def test_threads_that_are_set_stay() -> None:
    assert given(workers=2, model_threads=3).model_threads == 3


def test_the_other_settings_stay() -> None:
    own = given(workers=2, labels="production,beta", publish_requires_preview=True)
    assert (own.labels, own.publish_requires_preview) == (("production", "beta"), True)


def test_all_workers_have_the_id_of_their_replica() -> None:
    assert given(workers=2, replica_id="r").replica_id == "r"
