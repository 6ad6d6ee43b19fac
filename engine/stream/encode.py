"""Encoders that make ready packets: H.264 or VP8 for pictures, Opus for the voice.

aiortc would encode by itself, with settings for other needs: x264 at preset medium (10 ms and more for a
picture of 512, here 1.2), and a new encoder whenever the peer reports another bandwidth. Its senders
send ready packets as they are, so these own the settings.
"""

import logging
from fractions import Fraction

import av
import numpy as np
from av.video.frame import PictureType
from av.video.reformatter import Colorspace, VideoReformatter

from engine.config import VideoSection
from engine.frames import FPS, VOICE_RATE_HZ, VOICE_TICK_SAMPLES
from engine.stream.encoders import MOST_BIT_RATE, RECIPES, SOFTWARE, TIME_BASE, Order, choose_recipe
from engine.stream.libvpx import VpxError

VOICE_TIME_BASE = Fraction(1, VOICE_RATE_HZ)
VOICE_PACKET_SAMPLES = VOICE_TICK_SAMPLES // 2  # 20 ms, what every Opus receiver expects
VOICE_BIT_RATE = 48_000  # mono
VOICE_LAG_NS = 6_500_000  # Opus looks ahead by 312 samples
BITS_PER_PIXEL = 0.25  # 1.6 Mbit/s for a picture of 512 at 25 fps
LEAST_BIT_RATE = 300_000
KEYFRAME_S = 10  # a peer that misses its request for one still recovers
SOONER_KEYFRAME_S = 2  # while an encoder that cannot be steered waits for one to take another bit rate

# H.264 says in its stream which colours it means (BT.709, what Chromium takes unmarked pictures for); VP8 cannot
# say, and means BT.601. A wrong one turns key green into another green.
COLOURS = {"H264": Colorspace.ITU709, "VP8": Colorspace.ITU601}

log = logging.getLogger(__name__)


def fitting_bit_rate(width: int, height: int, settings: VideoSection) -> int:
    """Bits a second: the configured ones, or what suits the size."""
    if settings.bitrate_kbps:
        return settings.bitrate_kbps * 1_000
    return int(max(500_000, min(6_000_000, width * height * FPS * BITS_PER_PIXEL)))


class PictureEncoder:
    """Pictures to packets of one codec, "H264" or "VP8", each at once: no look-ahead, no pictures kept back.

    name: of its recipe. bit_rate: may be set at any time, from any thread. No keyframe is made for it and nothing is
    built anew, but with an encoder that cannot be steered (h264_vaapi; libvpx through FFmpeg, where it cannot be had
    directly): that takes another rate with its next keyframe, which then comes within `SOONER_KEYFRAME_S`.
    """

    def __init__(self, codec: str, width: int, height: int, settings: VideoSection | None = None):
        self.codec = codec
        self._settings = settings or VideoSection()
        self._size = width, height
        self._recipe = choose_recipe(codec, self._settings)
        self._reformat = VideoReformatter()
        self.bit_rate = fitting_bit_rate(width, height, self._settings)
        self._open()

    @property
    def name(self) -> str:
        return self._recipe.name

    def encode(self, rgb: np.ndarray, pts: int, keyframe: bool = False) -> av.Packet | None:
        """One picture (H, W, 3) uint8 at media time `pts` (90 kHz); None if the encoder chose to skip it."""
        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24")
        picture = self._reformat.reformat(
            picture, format=self._recipe.pixel_format, dst_colorspace=COLOURS[self.codec], threads=1
        )
        picture.pts = pts
        picture.time_base = TIME_BASE
        picture.pict_type = PictureType.I if self._steer() or keyframe else PictureType.NONE
        if picture.pict_type == PictureType.I and self._rate != self.bit_rate:
            self._open()
        try:
            packets = self._context.encode(picture)
        except (av.FFmpegError, VpxError) as reason:
            if self.name == SOFTWARE[self.codec]:
                raise
            log.warning("%s gave up (%s): %s goes on", self.name, reason, SOFTWARE[self.codec])
            self._recipe = next(recipe for recipe in RECIPES if recipe.name == SOFTWARE[self.codec])
            self._open()
            return self.encode(rgb, pts, True)
        self._since_key += 1
        if not packets:
            return None
        if packets[0].is_keyframe:
            self._since_key = 0
        return packets[0]

    def _open(self) -> None:
        self._rate = self.bit_rate
        fps = self._settings.fps
        order = Order(*self._size, fps, self._rate, KEYFRAME_S * fps, self._settings)
        self._context = self._recipe.open(order)
        self._since_key = SOONER_KEYFRAME_S * fps  # the first picture is a keyframe: no need to wait for one

    def _steer(self) -> bool:
        """Take another bit rate. True: only with a keyframe, which is due now."""
        wanted = max(LEAST_BIT_RATE, min(MOST_BIT_RATE, self.bit_rate))
        if wanted == self._rate:
            return False
        if not self._recipe.steers:
            return self._since_key >= SOONER_KEYFRAME_S * self._settings.fps
        self._context.bit_rate = self._rate = wanted
        return False


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
