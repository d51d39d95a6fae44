"""What a Redis URL says, and what is wrong with one."""

import re

import pytest

from service.errors import SettingsRefused
from service.presets.redis_url import Node, redis_url
from service.settings import load_settings


def fault(url: str) -> str:
    with pytest.raises(ValueError, match=r".") as refused:
        redis_url(url)
    return str(refused.value)


def test_a_plain_url_has_host_port_and_database() -> None:
    parts = redis_url("redis://h:1/2")
    assert (parts.nodes, parts.db) == ((Node("h", 1),), 2)


def test_a_port_left_out_is_that_of_redis() -> None:
    assert redis_url("redis://h").nodes == (Node("h", 6379),)


def test_rediss_is_tls() -> None:
    assert redis_url("rediss://h?ssl_check_hostname=false").is_tls


def test_a_unix_url_has_a_path_and_a_database() -> None:
    parts = redis_url("unix:///run/redis.sock?db=3")
    assert (parts.path, parts.db) == ("/run/redis.sock", 3)


def test_sentinels_have_a_service() -> None:
    parts = redis_url("redis+sentinel://a:1,b/mine/4")
    assert (parts.nodes, parts.service, parts.db) == ((Node("a", 1), Node("b", 26379)), "mine", 4)


def test_a_cluster_has_nodes() -> None:
    assert redis_url("redis+cluster://a:1,[::1]:2").nodes == (Node("a", 1), Node("::1", 2))


def test_a_signature_is_unquoted() -> None:
    parts = redis_url("redis+cluster://ann:p%40ss@a:1")
    assert (parts.username, parts.password) == ("ann", "p@ss")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://h", "must start with one of redis, rediss, unix, redis+sentinel, redis+cluster"),
        ("h:6379", "must start with one of"),
        ("redis://", "lacks a host: write host:port after ://"),
        ("redis://h:x", "host 1 is no host:port"),
        ("redis://h:0", "host 1 is no host:port with a port of 1 to 65535"),
        ("redis://h:65536", "host 1 is no host:port"),
        ("redis://a,b", "names 2 servers where one belongs: write redis+sentinel://"),
        ("redis://h/one", "the database after the host is no number"),
        ("redis://:a#b@h", "write it as %23"),
        ("unix://", "lacks the socket's path"),
        ("unix://h/a.sock", "takes a path and no host"),
        ("redis+sentinel://h:1", "lacks the service's name"),
        ("redis+sentinel://h:1,/m", "host 2 is no host:port"),
        ("redis+cluster://h/1", "a Cluster has database 0 only"),
        ("redis://h?socket_timeout=3", "redis:// has no option 'socket_timeout'; it has"),
        ("redis://h?client_nam=x", "did you mean client_name?"),
        ("redis://h?db=x", "option db must be a whole number"),
        ("rediss://h?ssl_cert_reqs=yes", "must be none, optional or required"),
        ("rediss://h?ssl_ca_certs=/none/ca.pem", "ssl_ca_certs must be a file that is there"),
        ("rediss://h?ssl_check_hostname=x", "option ssl_check_hostname must be true or false"),
    ],
)
def test_a_malformed_url_is_told_what_to_write(url: str, said: str) -> None:
    assert said in fault(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://u:hunter2@h",
        "redis://u:hunter2@h:x",
        "redis://u:hunt/hunter2@h",
        "redis://u:hunter2#@h",
        "redis+sentinel://u:hunter2@h?sentinel_password=hunter2",
        "redis+cluster://u:hunter2@a,b/hunter2",
        "redis://h?passwort=hunter2",
        "rediss://h?ssl_keyfile=hunter2",
    ],
)
def test_no_fault_quotes_a_secret(url: str) -> None:
    assert "hunter2" not in fault(url)


def test_no_repr_shows_a_secret() -> None:
    parts = redis_url("redis+sentinel://u:hunter2@h/m?sentinel_password=hunter2")
    assert "hunter2" not in repr(parts)


def test_a_malformed_setting_is_named() -> None:
    with pytest.raises(SettingsRefused, match=re.escape("STEERREC_REDIS_URL: lacks a host")):
        load_settings({"STEERREC_REDIS_URL": "redis+cluster://"})
