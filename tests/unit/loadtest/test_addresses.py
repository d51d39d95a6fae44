"""What a client can dial, and through which proxy."""

import pytest

from loadtest.addresses import address_fault, is_on_this_machine, proxy_of

PROXY = {"http_proxy": "http://user:secret@proxy:3128"}


@pytest.mark.parametrize(
    "address",
    [
        *(
            "127.0.0.1:50051",
            "localhost:1",
            "steerrec.prod.svc.cluster.local:65535",
            "my_box:50051",
        ),
        *("[::1]:50051", "[fe80::1%eth0]:50051", "dns:host:50051", "dns:///host:50051"),
        *("ipv4:10.0.0.1:1,10.0.0.2:1", "ipv6:[::1]:1", "unix:/run/x.sock", "unix:///run/x.sock"),
    ],
)
def test_an_address_of_grpc_can_be_dialled(address: str) -> None:
    assert address_fault(address) == ""


@pytest.mark.parametrize(
    ("address", "fault"),
    [
        ("http://127.0.0.1:50051", "is a URL; write host and port alone, e.g. 127.0.0.1:50051"),
        ("https://u:p@svc.prod/x", "is a URL; write host and port alone, e.g. svc.prod:50051"),
        ("http://", "is a URL; write host and port alone, e.g. 127.0.0.1:50051"),
        ("127.0.0.1", "has no port; write 127.0.0.1:50051"),
        ("dns:host", "has no port; write host:50051"),
        (
            "localhost:",
            'has no port: "" is not a number; write host and port, e.g. 127.0.0.1:50051',
        ),
        ("h:0", "has a port that no service listens at, 0; it is within 1 to 65535"),
        ("h:99999", "has a port that no service listens at, 99999; it is within 1 to 65535"),
        ("h:1" + "0" * 5000, "has a port that no service listens at, 1" + "0" * 19),
        ("::1:50051", "has no brackets around the IPv6 address; write [::1]:50051"),
        ("::", "has no port; write [::]:50051"),
        ("[::1]", "has no port; write [::1]:50051"),
        ("[1.2]:1", "is not an IPv6 address and a port"),
        ("a:b:c", "has more than one colon; write host and port, e.g. 127.0.0.1:50051"),
        ("10.0.0.300:5", "is not an IPv4 address and a port, e.g. 127.0.0.1:50051"),
        ("user@host:1", "is not a host and a port; a host is of letters, digits, - and ."),
        (":50051", "has no host; write host and port, e.g. 127.0.0.1:50051"),
        ("", "is empty; write host and port, e.g. 127.0.0.1:50051"),
        ("unix:", "names nothing after unix:, e.g. unix:/run/x.sock"),
        ("unix://", "names nothing after unix:, e.g. unix:/run/x.sock"),
    ],
    ids=lambda text: text[:30],
)
def test_what_is_wrong_with_an_address_is_told(address: str, fault: str) -> None:
    assert address_fault(address).startswith(fault)


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1:1", "127.8.9.1:1", "localhost:1", "LOCALHOST.:1", "x.localhost:1", "[::1]:1"),
        *("0.0.0.0:1", "[::]:1", "[::ffff:127.0.0.1]:1", "dns:///localhost:1", "ipv4:127.0.0.1:1"),
        *("unix:/run/x.sock", "unix-abstract:x"),
    ],
)
def test_no_proxy_stands_between_this_machine_and_itself(address: str) -> None:
    assert is_on_this_machine(address)
    assert proxy_of(address, PROXY) is None


@pytest.mark.parametrize("address", ["10.0.0.1:1", "host:1", "localhost.example:1", "[2001::1]:1"])
def test_another_machine_is_reached_through_the_proxy(address: str) -> None:
    assert proxy_of(address, PROXY) == ("http_proxy", "http://proxy:3128")


def test_grpcs_own_variable_goes_before_the_others() -> None:
    proxy = proxy_of("host:1", PROXY | {"grpc_proxy": "http://other:1"})
    assert proxy == ("grpc_proxy", "http://other:1")


def test_an_empty_variable_is_no_proxy() -> None:
    assert proxy_of("host:1", {"http_proxy": ""}) is None


@pytest.mark.parametrize("excepted", ["svc.local", ".local", "a,svc.local"])
def test_a_host_of_no_proxy_is_reached_directly(excepted: str) -> None:
    assert proxy_of("svc.local:1", PROXY | {"no_proxy": excepted}) is None


@pytest.mark.parametrize("excepted", ["10.0.0.0/8", "a, 10.1.0.0/16"])
def test_a_network_of_no_proxy_is_reached_directly(excepted: str) -> None:
    assert proxy_of("10.1.2.3:1", PROXY | {"no_proxy": excepted}) is None
    assert proxy_of("11.1.2.3:1", PROXY | {"no_proxy": excepted}) is not None


@pytest.mark.parametrize("url", ["garbage", "socks5://proxy:1"])
def test_a_proxy_that_grpc_does_not_take_is_not_blamed(url: str) -> None:
    assert proxy_of("host:1", {"http_proxy": url}) is None


@pytest.mark.parametrize("address", ["ipv4:localhost:1", "ipv6:127.0.0.1:5", "ipv4:[::1]:1"])
def test_a_name_or_the_other_family_is_refused_after_a_family(address: str) -> None:
    assert "names no address of IPv" in address_fault(address)


def test_an_ipv4_address_in_brackets_is_refused() -> None:
    assert "is not an IPv6 address" in address_fault("[127.0.0.1]:1")


def test_a_star_in_no_proxy_is_no_pattern_to_grpc() -> None:
    assert proxy_of("host:1", PROXY | {"no_proxy": "*"}) is not None
