"""All that is done to the private parts of aiortc, and a check that they are there.

aiortc has no door for a jitter buffer of one's own, for a peer's requests and reports, for the contents of a sender's
report. Each is one attribute or method, replaced on one object; another aiortc that keeps it elsewhere is refused at
import, by name, rather than ignored.
"""

import time
from collections.abc import Callable
from typing import Protocol

import aiortc
from aiortc import RTCRtpReceiver, RTCRtpSender
from aiortc.clock import current_ntp_time
from aiortc.rtp import RTCP_PSFB_APP, AnyRtcpPacket, RtcpPsfbPacket, RtcpSrPacket, RtpPacket, unpack_remb_fci

_BUFFER = "_RTCRtpReceiver__jitter_buffer"
_NEEDED = {
    (RTCRtpReceiver, "_handle_rtp_packet"): (_BUFFER, "add", "_data"),
    (RTCRtpSender, "_handle_rtcp_packet"): ("_send_keyframe",),
    (RTCRtpSender, "_run_rtcp"): ("_send_rtcp", "RtcpSrPacket"),
    (RTCRtpSender, "_next_encoded_frame"): ("pack",),
    (RTCRtpSender, "_run_rtp"): ("transport", "_send_rtp", "_ssrc"),
}


def check_aiortc() -> None:
    """ImportError if aiortc's own code no longer uses the names that are replaced here."""
    for (owner, method), names in _NEEDED.items():
        code = getattr(getattr(owner, method, None), "__code__", None)
        missing = [name for name in names if code is None or name not in code.co_names]
        if missing:
            raise ImportError(
                f"aiortc {aiortc.__version__} is not built as is needed here ({owner.__name__}.{method} does not use "
                f"{missing[0]}): install the version that constraints.txt names"
            )


check_aiortc()
_NTP_ZERO = current_ntp_time() - (time.monotonic_ns() << 32) // 1_000_000_000


class Inlet(Protocol):
    """What can stand in a receiver's jitter buffer's place."""

    def add(self, packet: RtpPacket) -> tuple[bool, None]:
        """A packet has come, without its payload header in `_data`; True asks the sender for a keyframe."""
        ...


def attach(receiver: RTCRtpReceiver, inlet: Inlet) -> None:
    """Take over what a receiver gets; to be called before the peer connects. Its track then gives nothing."""
    setattr(receiver, _BUFFER, inlet)


def on_keyframe_request(sender: RTCRtpSender, call: Callable[[], None]) -> None:
    """Be told when the peer has lost the picture (PLI, FIR): aiortc keeps that for an encoder of its own."""
    sender._send_keyframe = call  # type: ignore[method-assign]


def stamp_reports(sender: RTCRtpSender, stamp_ns: Callable[[], int | None]) -> None:
    """Let a sender's reports pair media time with the media clock, not with the time of sending.

    aiortc pairs the last packet with the moment it left. On a busy machine that moment comes late, by
    another amount for picture and voice, and the receiver would believe the difference.
    stamp_ns: gives the place of the last packet on the media clock, as monotonic time.
    """
    send = sender._send_rtcp

    async def stamped(packets: list[AnyRtcpPacket]) -> None:
        at_ns = stamp_ns()
        for packet in packets:
            if isinstance(packet, RtcpSrPacket) and at_ns is not None:
                packet.sender_info.ntp_timestamp = _ntp(at_ns)
        await send(packets)

    sender._send_rtcp = stamped  # type: ignore[method-assign]


def on_bandwidth_report(sender: RTCRtpSender, call: Callable[[int], None]) -> None:
    """Be told how many bits a second the peer's line carries (REMB); aiortc keeps that for its own encoder."""
    take = sender._handle_rtcp_packet

    async def told(packet: AnyRtcpPacket) -> None:
        if isinstance(packet, RtcpPsfbPacket) and packet.fmt == RTCP_PSFB_APP:
            try:
                bit_rate, sources = unpack_remb_fci(packet.fci)
            except ValueError:  # another application's message
                bit_rate, sources = 0, []
            if sender._ssrc in sources:
                call(bit_rate)
        await take(packet)

    sender._handle_rtcp_packet = told  # type: ignore[method-assign]


def _ntp(monotonic_ns: int) -> int:
    """64-bit NTP time (32.32 seconds) of a monotonic time; however the wall clock is set, it runs on evenly."""
    return _NTP_ZERO + (monotonic_ns << 32) // 1_000_000_000
