"""Encoders that make ready packets: x264 or VP8 for pictures, Opus for the voice.

aiortc would encode by itself, with settings for other needs: x264 at preset medium (10 ms and more for a
picture of 512, here 1.2), and a new encoder whenever the peer reports another bandwidth. Its senders
send ready packets as they are, so these own the settings. Bitrates are fixed.
"""

from fractions import Fraction

import av
import numpy as np
from av.video.frame import PictureType
from av.video.reformatter import Colorspace, VideoReformatter

from engine.frames import FPS, VOICE_RATE_HZ, VOICE_TICK_SAMPLES

VIDEO_TIME_BASE = Fraction(1, 90_000)
VOICE_TIME_BASE = Fraction(1, VOICE_RATE_HZ)
VIDEO_TICK = 90_000 // FPS
VOICE_PACKET_SAMPLES = VOICE_TICK_SAMPLES // 2  # 20 ms, what every Opus receiver expects
VOICE_BIT_RATE = 48_000  # mono
VOICE_LAG_NS = 6_500_000  # Opus looks ahead by 312 samples
BITS_PER_PIXEL = 0.25  # 1.6 Mbit/s for a picture of 512 at 25 fps
KEYFRAME_TICKS = 10 * FPS  # a peer that misses its request for one still recovers

PIXEL_FORMAT = "yuv420p"
# H.264 says in its stream which colours it means (BT.709, what Chromium takes unmarked pictures for); VP8 cannot
# say, and means BT.601. A wrong one turns key green into another green.
COLOURS = {"H264": Colorspace.ITU709, "VP8": Colorspace.ITU601}


class PictureEncoder:
    """Pictures to packets of one codec, "H264" or "VP8"; one encoder thread, no look-ahead."""

    def __init__(self, codec: str, width: int, height: int):
        self.codec = codec
        self._bit_rate = int(max(500_000, min(6_000_000, width * height * FPS * BITS_PER_PIXEL)))
        self._reformat = VideoReformatter()
        self._context = self._open(width, height)

    def _open(self, width: int, height: int) -> av.VideoCodecContext:
        h264 = self.codec == "H264"
        context = av.VideoCodecContext.create("libx264" if h264 else "libvpx", "w")
        context.width, context.height = width, height
        context.pix_fmt = PIXEL_FORMAT
        context.time_base = VIDEO_TIME_BASE
        context.framerate = Fraction(FPS)
        context.bit_rate = self._bit_rate
        context.gop_size = KEYFRAME_TICKS
        context.thread_count = 1
        if h264:
            context.profile = "Baseline"
            context.options = _x264_options(self._bit_rate, width, height)
        else:
            context.qmin, context.qmax = 2, 56
            context.options = _vpx_options(self._bit_rate)
        return context

    def encode(self, rgb: np.ndarray, index: int, keyframe: bool = False) -> av.Packet | None:
        """One picture (H, W, 3) uint8 of tick `index`; None if the encoder chose to skip it."""
        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24")
        picture = self._reformat.reformat(picture, format=PIXEL_FORMAT, dst_colorspace=COLOURS[self.codec], threads=1)
        picture.pts = index * VIDEO_TICK
        picture.time_base = VIDEO_TIME_BASE
        picture.pict_type = PictureType.I if keyframe else PictureType.NONE
        packets = self._context.encode(picture)
        return packets[0] if packets else None


def _x264_options(bit_rate: int, width: int, height: int) -> dict[str, str]:
    return {
        "preset": "ultrafast",
        "tune": "zerolatency",
        "forced-idr": "1",
        # Ultrafast drops the deblocking filter, which costs little and is what faces need most.
        "x264-params": "no-deblock=0:scenecut=0:colorprim=bt709:transfer=bt709:colormatrix=bt709",
        "level": "31" if width * height <= 1280 * 720 else "51",
        "maxrate": str(bit_rate * 3 // 2),
        "bufsize": str(bit_rate // 2),  # half a second: keyframes stay small enough to leave at once
    }


def _vpx_options(bit_rate: int) -> dict[str, str]:
    return {
        "deadline": "realtime",
        "cpu-used": "-12",
        "lag-in-frames": "0",
        "minrate": str(bit_rate),
        "maxrate": str(bit_rate),
        "bufsize": str(bit_rate),
        "static-thresh": "1",
    }


class VoiceEncoder:
    """40 ms of 48 kHz mono to two Opus packets of 20 ms."""

    def __init__(self) -> None:
        context = av.AudioCodecContext.create("libopus", "w")
        context.format = "s16"
        context.layout = "mono"
        context.sample_rate = VOICE_RATE_HZ
        context.time_base = VOICE_TIME_BASE
        context.bit_rate = VOICE_BIT_RATE
        # Loss of a packet or two is repaired by the receiver from the next one.
        context.options = {"application": "audio", "fec": "1", "packet_loss": "5"}
        self._context = context

    def encode(self, voice: np.ndarray, index: int) -> list[av.Packet]:
        """float32 (1920,) of tick `index` to two packets, whose pts count samples from tick 0."""
        whole = np.clip(np.round(voice * 32_767.0), -32_768, 32_767).astype(np.int16)
        packets = []
        for part in range(2):
            start = part * VOICE_PACKET_SAMPLES
            samples = whole[None, start : start + VOICE_PACKET_SAMPLES]
            frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
            frame.sample_rate = VOICE_RATE_HZ
            frame.pts = index * VOICE_TICK_SAMPLES + start
            frame.time_base = VOICE_TIME_BASE
            for packet in self._context.encode(frame):
                # The encoder's own pts is early by its look-ahead; VOICE_LAG_NS is told to the peer elsewhere.
                packet.pts = frame.pts
                packet.time_base = VOICE_TIME_BASE
                packets.append(packet)
        return packets
