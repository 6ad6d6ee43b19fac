"""STUN and TURN servers, and the UDP ports that peers use."""

import asyncio
import re
from typing import Any

import pytest
from aioice import stun
from aiortc import RTCPeerConnection

from engine.config import ServeSection, parse_config
from engine.errors import ConfigError
from engine.stream.ice import describe_servers, make_configuration, ports_within, read_servers


def test_servers_are_read_as_they_are_written():
    config = ServeSection(ice_servers=("stun:stun.example:3478", "turns:me:p%40ss@turn.example:443?transport=tcp"))
    stun_server, turn = read_servers(config)
    assert (stun_server.urls, stun_server.username) == ("stun:stun.example:3478", None)
    assert (turn.urls, turn.username, turn.credential) == ("turns:turn.example:443?transport=tcp", "me", "p@ss")
    assert describe_servers(config) == [
        {"urls": "stun:stun.example:3478"},
        {"urls": "turns:turn.example:443?transport=tcp", "username": "me", "credential": "p@ss"},
    ]


@pytest.mark.parametrize(
    "servers", [("http://x",), ("turn:host:1",), ("stun:me:secret@host",), ("stun:a", "stun:b"), ("turn:a:b@",)]
)
def test_what_is_no_server_is_said_without_its_password(servers):
    with pytest.raises(ConfigError, match="ice_servers") as refused:
        read_servers(ServeSection(ice_servers=servers))
    assert "secret" not in str(refused.value)


def test_ports_in_disorder_are_a_mistake_in_the_config():
    with pytest.raises(ConfigError, match="udp_ports"):
        parse_config({"serve": {"udp_ports": [50_100, 50_000]}})


async def _candidates(config: ServeSection) -> list[str]:
    connection = RTCPeerConnection(make_configuration(config))
    connection.createDataChannel("x")
    try:
        with ports_within(*config.udp_ports):
            await connection.setLocalDescription(await connection.createOffer())
        return re.findall(r"a=candidate:.*", connection.localDescription.sdp)
    finally:
        await connection.close()


def test_ports_stay_in_their_range_until_it_is_full():
    async def scene() -> None:
        sockets: list[Any] = []
        loop = asyncio.get_running_loop()
        try:
            with ports_within(52_640, 52_643):
                for _ in range(4):
                    transport, _protocol = await loop.create_datagram_endpoint(
                        asyncio.DatagramProtocol, local_addr=("127.0.0.1", 0)
                    )
                    sockets.append(transport)
                with pytest.raises(OSError, match="52640 to 52643"):
                    await loop.create_datagram_endpoint(asyncio.DatagramProtocol, local_addr=("127.0.0.1", 0))
            assert sorted(one.get_extra_info("sockname")[1] for one in sockets) == [52_640, 52_641, 52_642, 52_643]
            other, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, local_addr=("127.0.0.1", 0))
            sockets.append(other)
            assert not 52_640 <= other.get_extra_info("sockname")[1] <= 52_643, "others are not bound to it"
        finally:
            for one in sockets:
                one.close()
        found = await _candidates(ServeSection(udp_ports=(52_650, 52_669)))
        assert found and all(52_650 <= int(line.split()[5]) <= 52_669 for line in found)

    asyncio.run(scene())


class Reflector(asyncio.DatagramProtocol):
    """The smallest STUN server: it says that everybody comes from 192.0.2.7:7777."""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        asked = stun.parse_message(data)
        answer = stun.Message(stun.Method.BINDING, stun.Class.RESPONSE, asked.transaction_id)
        answer.attributes["XOR-MAPPED-ADDRESS"] = ("192.0.2.7", 7777)
        self.transport.sendto(bytes(answer), addr)


def test_a_stun_server_is_asked():
    async def scene() -> list[str]:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(Reflector, local_addr=("0.0.0.0", 0))
        try:
            port = transport.get_extra_info("sockname")[1]
            return await _candidates(ServeSection(ice_servers=(f"stun:127.0.0.1:{port}",)))
        finally:
            transport.close()

    found = asyncio.run(scene())
    assert any("192.0.2.7 7777 typ srflx" in line for line in found), found
    assert not any("srflx" in line for line in asyncio.run(_candidates(ServeSection())))
