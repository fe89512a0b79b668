"""Addresses that may be fetched, and those that lead into the network that we are in."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from core.addresses import is_public
from core.errors import InvalidRequest
from ingest.sources.base import Unreachable
from ingest.sources.guard import Guard

INSIDE = [
    "127.0.0.1", "10.0.0.1", "172.16.3.4", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
    "255.255.255.255", "240.0.0.1", "168.63.129.16", "192.0.2.1", "::", "::1", "fe80::1%eth0", "fc00::1", "fec0::1",
    "ff02::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1",
    "2002:7f00:1::", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:db8::1",
]  # fmt: skip
OUTSIDE = ["1.1.1.1", "93.184.215.14", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]


def leading_to(*addresses: str) -> object:
    async def resolve(host: str, port: int) -> Sequence[str]:
        return addresses

    return resolve


async def admitted(address: str, *addresses: str, hosts: Sequence[str] = (), networks: Sequence[str] = ()) -> list[str]:
    guard = Guard(hosts, networks, leading_to(*addresses))  # type: ignore[arg-type]
    return list((await guard.admit(address)).addresses)


@pytest.mark.parametrize("address", INSIDE)
async def test_what_leads_inside_is_refused(address: str) -> None:
    assert not is_public(address)
    with pytest.raises(InvalidRequest, match=r"sources\.allowed_hosts"):
        await admitted("https://innocent.example/x", address)


@pytest.mark.parametrize("address", OUTSIDE)
async def test_hosts_of_the_internet_need_no_permission(address: str) -> None:
    assert await admitted("https://example.org/x", address) == [address]


async def test_of_several_addresses_only_those_outside_are_used() -> None:
    assert await admitted("https://example.org/", "10.0.0.1", "1.1.1.1", "::1") == ["1.1.1.1"]


async def test_operators_allow_hosts_and_networks() -> None:
    assert await admitted("https://wiki.lan/x", "10.1.2.3", hosts=["wiki.lan"]) == ["10.1.2.3"]
    assert await admitted("https://wiki.lan/x", "10.1.2.3", "10.9.9.9", networks=["10.1.0.0/16"]) == ["10.1.2.3"]
    assert await admitted("https://wiki.lan:8443/x", "10.1.2.3", hosts=["wiki.lan:8443"]) == ["10.1.2.3"]
    assert await admitted("https://wiki.lan/x", "::ffff:10.1.2.3", networks=["10.1.0.0/16"]) == ["::ffff:10.1.2.3"]
    with pytest.raises(InvalidRequest):
        await admitted("https://other.lan/x", "10.1.2.3", hosts=["wiki.lan"])


@pytest.mark.parametrize(
    "address",
    [
        "https://example.org:8443/x", "https://user:secret@example.org/", "https://secret@example.org/",
        "ftp://example.org/x", "file:///etc/passwd", "gopher://example.org/", "https://", "https:///x", "//x", "x",
        "https://[::1", "http://127.0.0.1:22/",
    ],
)  # fmt: skip
async def test_other_forms_are_refused_before_anything_is_resolved(address: str) -> None:
    async def resolve(host: str, port: int) -> Sequence[str]:
        raise AssertionError(host)

    with pytest.raises(InvalidRequest) as caught:
        await Guard(resolver=resolve).admit(address)
    assert "secret" not in caught.value.message


@pytest.mark.parametrize(
    "host", ["2130706433", "0177.0.0.1", "0x7f.0.0.1", "0x7f000001", "127.1", "[::ffff:7f00:1]", "localhost"]
)
async def test_other_ways_to_write_an_address_inside_lead_nowhere(host: str) -> None:
    with pytest.raises((InvalidRequest, Unreachable)):
        await Guard().admit(f"http://{host}/")


async def test_https_does_not_lead_on_to_http() -> None:
    guard = Guard(resolver=leading_to("1.1.1.1"))  # type: ignore[arg-type]
    with pytest.raises(InvalidRequest, match="https"):
        await guard.admit("http://example.org/", only_https=True)
