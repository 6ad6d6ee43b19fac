"""What is replaced in aiortc: on real senders, and refused where it is built otherwise."""

import asyncio

import pytest
from aiortc import RTCPeerConnection, RTCRtpReceiver, RTCRtpSender
from aiortc.rtp import (
    RTCP_PSFB_APP,
    RTCP_PSFB_PLI,
    RtcpPsfbPacket,
    RtcpSenderInfo,
    RtcpSrPacket,
    pack_remb_fci,
)

from engine.stream.wiring import check_aiortc, on_bandwidth_report, on_keyframe_request, stamp_reports

SECOND = 1_000_000_000


@pytest.mark.parametrize("owner, method", [(RTCRtpReceiver, "_handle_rtp_packet"), (RTCRtpSender, "_run_rtcp")])
def test_another_aiortc_is_refused_by_name(owner, method, monkeypatch):
    check_aiortc()
    monkeypatch.setattr(owner, method, lambda self: None)
    with pytest.raises(ImportError, match=f"{owner.__name__}.{method}.*constraints"):
        check_aiortc()
    monkeypatch.delattr(owner, method)
    with pytest.raises(ImportError, match=method):
        check_aiortc()


def with_sender(kind: str, use) -> None:
    async def meet() -> None:
        connection = RTCPeerConnection()
        try:
            await use(connection.addTransceiver(kind).sender)
        finally:
            await connection.close()

    asyncio.run(meet())


def test_requests_and_reports_of_the_peer_are_told():
    keyframes, rates = [], []

    async def use(sender: RTCRtpSender) -> None:
        on_keyframe_request(sender, lambda: keyframes.append(True))
        on_bandwidth_report(sender, rates.append)
        report = RtcpPsfbPacket(fmt=RTCP_PSFB_APP, ssrc=1, media_ssrc=0)
        for fci in (pack_remb_fci(700_000, [sender._ssrc]), pack_remb_fci(5, [sender._ssrc ^ 1]), b"other"):
            report.fci = fci
            await sender._handle_rtcp_packet(report)
        await sender._handle_rtcp_packet(RtcpPsfbPacket(fmt=RTCP_PSFB_PLI, ssrc=1, media_ssrc=sender._ssrc))

    with_sender("video", use)
    assert rates == [700_000] and keyframes == [True]


def test_reports_carry_the_media_clock(monkeypatch):
    stamps = iter([None, 5 * SECOND, 6 * SECOND, 6 * SECOND + SECOND // 2])
    sent: list[int] = []

    async def use(sender: RTCRtpSender) -> None:
        async def keep(packets) -> None:
            sent.extend(packet.sender_info.ntp_timestamp for packet in packets)

        sender._send_rtcp = keep
        stamp_reports(sender, lambda: next(stamps))
        for _ in range(4):
            info = RtcpSenderInfo(ntp_timestamp=7, rtp_timestamp=0, packet_count=1, octet_count=1)
            await sender._send_rtcp([RtcpSrPacket(ssrc=sender._ssrc, sender_info=info)])
        del sender._send_rtcp

    with_sender("audio", use)
    assert sent[0] == 7, "nothing was sent yet: aiortc's own"
    assert sent[2] - sent[1] == 1 << 32 and abs(sent[3] - sent[2] - (1 << 31)) <= 1
