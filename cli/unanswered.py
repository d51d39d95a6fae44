"""Why a call had no answer, in words for the person who named the address."""

from collections.abc import Mapping

from loadtest.addresses import proxy_of


def unreachable_text(address: str, details: str, environ: Mapping[str, str]) -> str:
    """What keeps calls from the service at the address.

    Args:
        address: as it was dialled.
        details: of gRPC's error.
        environ: variables that may name a proxy.
    """
    return f"{_fact(address, details)}{proxy_remark(address, environ)}"


def proxy_remark(address: str, environ: Mapping[str, str]) -> str:
    """The proxy that calls to the address go through, and how to go past it; empty: none."""
    proxy = proxy_of(address, environ)
    if proxy is None:
        return ""
    return (
        f" (calls go through the proxy {proxy.url} of {proxy.variable}; add the host to no_proxy, "
        "in small letters, to go past it)"
    )


def _fact(address: str, details: str) -> str:
    if "errors resolving" in details or "DNS resolution failed" in details:
        return f"the host of {address} is not known here; look at --address"
    if "HTTP proxy returned" in details:
        return f"the proxy does not let calls to {address} pass"
    if "Failed parsing HTTP/2" in details or "SETTINGS frame" in details:
        return f"what answers at {address} speaks no gRPC; look at the port"
    if "No such file or directory" in details:
        return f"there is no socket at {address}; is `steerrec serve` running?"
    return f"no service answers at {address}; is `steerrec serve` running?"
