"""What a client can dial: addresses as gRPC takes them, and the proxies that they go through."""

import ipaddress
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple
from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]

EXAMPLE = "127.0.0.1:50051"
MAX_PORT = 65535
OTHER_SCHEMES = ("dns", "ipv4", "ipv6", "unix", "unix-abstract", "vsock", "xds")
"""gRPC's own, beside host and port alone."""
FAMILIES = {"ipv4": 4, "ipv6": 6}
"""Schemes that take addresses alone, no names, with commas between; the version of IP."""
WITHOUT_PORT = ("unix", "unix-abstract", "vsock", "xds")
ON_THIS_MACHINE = ("unix", "unix-abstract", "vsock")
HOST = re.compile(r"[A-Za-z0-9._-]+")
BRACKETED = re.compile(r"\[(?P<ip>[0-9A-Fa-f:.]+)(?:%[\w.-]+)?\]")
PROXY_VARIABLES = ("grpc_proxy", "https_proxy", "http_proxy")
"""In the order in which gRPC reads them; the first that is set counts."""
NO_IPV6 = "is not an IPv6 address and a port, e.g. [::1]:50051"
EXCEPTION_VARIABLES = ("no_grpc_proxy", "no_proxy")
NO_PROXY = ("grpc.enable_http_proxy", 0)
"""Option of a channel that is not to go through a proxy."""


class Proxy(NamedTuple):
    """What calls to another machine go through."""

    variable: str
    """Of the environment."""
    url: str
    """Its value, without user and password."""


def address_fault(address: str) -> str:
    """What keeps the address from being dialled, with the remedy; empty: nothing."""
    scheme, target = _split(address)
    if "://" in address and scheme not in OTHER_SCHEMES:
        return f"is a URL; write host and port alone, e.g. {_host_and_port(address)}"
    if scheme in WITHOUT_PORT:
        return "" if target.strip("/") else f"names nothing after {scheme}:, e.g. unix:/run/x.sock"
    if scheme not in FAMILIES:
        return _fault(target)
    return next((fault for one in target.split(",") if (fault := _family_fault(scheme, one))), "")


def is_on_this_machine(address: str) -> bool:
    """Whether the address is a loopback or unspecified one, or no network's at all."""
    scheme, target = _split(address)
    if scheme in ON_THIS_MACHINE:
        return True
    return all(_is_loopback(one.rpartition(":")[0]) for one in target.split(","))


def channel_options(address: str) -> list[tuple[str, int]]:
    """gRPC's options for the address: no proxy stands between this machine and itself."""
    return [NO_PROXY] if is_on_this_machine(address) else []


def proxy_of(address: str, environ: Mapping[str, str]) -> Proxy | None:
    """The proxy that gRPC takes for the address; None: none."""
    if is_on_this_machine(address):
        return None
    name = next((name for name in PROXY_VARIABLES if environ.get(name)), None)
    excepted = next((environ[name] for name in EXCEPTION_VARIABLES if environ.get(name)), "")
    host = _split(address)[1].rpartition(":")[0].strip("[]")
    if name is None or not is_proxy(environ[name]) or is_excepted(host, excepted):
        return None
    return Proxy(name, re.sub(r"//[^/@]*@", "//", environ[name]))


def is_proxy(url: str) -> bool:
    """Whether gRPC takes the URL: it goes past one of another scheme, such as socks5."""
    return url.partition("://")[0] == "http"


def is_excepted(host: str, excepted: str) -> bool:
    """Whether the value of no_proxy names the host, or a network of its address (10.0.0.0/8)."""
    if not excepted:
        return False
    ip = _ip(host)
    networks = [one for text in excepted.split(",") if (one := _network(text)) is not None]
    if ip is not None and any(ip in network for network in networks):
        return True
    is_pattern = excepted.strip() == "*"  # which gRPC takes for a host's name
    return not is_pattern and bool(proxy_bypass_environment(host, {"no": excepted}))


def _split(address: str) -> tuple[str, str]:
    """gRPC's scheme, or "", and what it is of; dns://authority/host is the host's."""
    scheme, colon, target = address.partition(":")
    if not colon or scheme not in OTHER_SCHEMES or re.fullmatch(r"\d+", target):
        return "", address
    if target.startswith("//") and scheme != "unix":
        target = target[2:].partition("/")[2]
    return scheme, target


def _fault(target: str) -> str:
    if not target.strip():
        return f"is empty; write host and port, e.g. {EXAMPLE}"
    host, colon, port = target.rpartition(":")
    if target.count(":") > 1 and not target.startswith("["):
        return _ipv6_fault(target)
    if not colon or (target.startswith("[") and not host.endswith("]")):
        return f"has no port; write {target}:50051"
    return _port_fault(port) or _host_fault(host)


def _family_fault(scheme: str, target: str) -> str:
    """What is wrong with one address of ipv4: or ipv6:, where a name stands for none."""
    if fault := _fault(target):
        return fault
    ip = _ip(target.rpartition(":")[0].strip("[]").partition("%")[0])
    if ip is None or ip.version != FAMILIES[scheme]:
        return f"names no address of IPv{FAMILIES[scheme]} after {scheme}:; write {target} alone"
    return ""


def _ipv6_fault(target: str) -> str:
    host, _, port = target.rpartition(":")
    if _ip(host) is not None and port.isdecimal():
        return f"has no brackets around the IPv6 address; write [{host}]:{port}"
    if _ip(target) is not None:
        return f"has no port; write [{target}]:50051"
    return f"has more than one colon; write host and port, e.g. {EXAMPLE}"


def _port_fault(port: str) -> str:
    if not (port.isascii() and port.isdecimal()):
        return f'has no port: "{port[:20]}" is not a number; write host and port, e.g. {EXAMPLE}'
    if not 1 <= int(port[:9]) <= MAX_PORT or len(port) > 9:
        return f"has a port that no service listens at, {port[:20]}; it is within 1 to {MAX_PORT}"
    return ""


def _host_fault(host: str) -> str:
    if not host:
        return f"has no host; write host and port, e.g. {EXAMPLE}"
    if bracketed := BRACKETED.fullmatch(host):
        ip = _ip(bracketed["ip"])
        return "" if ip is not None and ip.version == FAMILIES["ipv6"] else NO_IPV6
    if not HOST.fullmatch(host):
        return f"is not a host and a port; a host is of letters, digits, - and ., e.g. {EXAMPLE}"
    if re.fullmatch(r"[\d.]+", host) and _ip(host) is None:
        return f"is not an IPv4 address and a port, e.g. {EXAMPLE}"
    return ""


def _is_loopback(host: str) -> bool:
    name = host.lower().rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    ip = _ip(name.strip("[]").partition("%")[0])
    mapped = getattr(ip, "ipv4_mapped", None) or ip
    return mapped is not None and (mapped.is_loopback or mapped.is_unspecified)


def _ip(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(text.strip(), strict=False)
    except ValueError:
        return None


def _host_and_port(url: str) -> str:
    """The host and port of a URL, as far as it has them and they can be dialled."""
    authority = re.split(r"[/?#]", url.partition("://")[2])[0].rpartition("@")[2]
    candidates: Sequence[str] = (authority, f"{authority}:50051")
    return next((one for one in candidates if authority and not _fault(one)), EXAMPLE)
