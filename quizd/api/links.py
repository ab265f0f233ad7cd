"""Addresses that clients are told, and the address that a client has."""

import re
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import quote

from starlette.requests import Request

from quizd.api.services import services_of

HOST_MAX_CHARS = 261
"""A name of 255 (RFC 1035 section 2.3.4), a colon and a port."""

_HOST = re.compile(r"[A-Za-z0-9._-]+(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]+\](:[0-9]{1,5})?")


def base_url(request: Request) -> str:
    """Return ``http(s)://host`` as players are to use it: configured, or as asked."""
    configured = services_of(request).settings.server.public_url
    return configured or f"{request.scope['scheme']}://{_host(request)}"


def ws_url(request: Request, **query: str) -> str:
    """Return the socket's address with *query*; a token never is part of it."""
    pairs = "&".join(f"{key}={quote(value, safe='')}" for key, value in query.items())
    return f"ws{base_url(request).removeprefix('http')}/ws?{pairs}"


def client_address(request: Request) -> IPv4Address | IPv6Address | None:
    """Return where the request comes from, ``None`` for a Unix socket."""
    host, _ = request.scope.get("client") or ("", 0)
    try:
        address = ip_address(host)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _host(request: Request) -> str:
    headers: Iterable[tuple[bytes, bytes]] = request.scope["headers"]
    named = next((value for name, value in headers if name == b"host"), b"")
    if len(named) <= HOST_MAX_CHARS and (host := _readable(named)):
        return host
    server = services_of(request).settings.server
    return f"{server.host}:{server.port}"


@lru_cache(maxsize=64)  # a class that joins has come by one address
def _readable(named: bytes) -> str:
    host = named.decode("latin-1")
    return host if _HOST.fullmatch(host) else ""
