"""The picture encoders, and how each is told to be quick: recipes, and a try which of them work here.

A hardware encoder is only used if, on this machine, it opens and gives a packet for every picture at once, in a
form that a decoder takes: one that is built in but has no hardware, or that keeps pictures back, is passed over.
So is libvpx without FFmpeg where it is not of a release that is known here.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import Protocol, cast

import av
import numpy as np
from av.video.frame import PictureType

from engine.config import VideoSection
from engine.stream.vpx import VpxEncoder, check_steering

TIME_BASE = Fraction(1, 90_000)
MOST_BIT_RATE = 8_000_000
TRIED_SIZE = 256  # some hardware refuses smaller pictures
TRIED_PICTURES = 4

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be encoded: size in pixels, pictures a second, bits a second, and the settings."""

    width: int
    height: int
    fps: int
    bit_rate: int
    keyframe_pictures: int
    settings: VideoSection


class Coder(Protocol):
    """What a recipe opens, `av.VideoCodecContext` for one. bit_rate: of one that steers, may be set at any picture."""

    bit_rate: int

    def encode(self, picture: av.VideoFrame, /) -> list[av.Packet]: ...


@dataclass(frozen=True, slots=True)
class Recipe:
    """One encoder. codec: "H264" or "VP8". steers: takes another bit rate while it runs.

    open: begins one; av.FFmpegError, ValueError, VpxError: not here.
    """

    name: str
    codec: str
    pixel_format: str
    steers: bool
    open: Callable[[Order], Coder]


def _ffmpeg(
    name: str, codec: str, pixel_format: str, steers: bool, prepare: Callable[[av.VideoCodecContext, Order], None]
) -> Recipe:
    """An encoder of FFmpeg by its name there."""

    def open_context(order: Order) -> Coder:
        context = cast(av.VideoCodecContext, av.VideoCodecContext.create(name, "w"))
        context.width, context.height = order.width, order.height
        context.pix_fmt = pixel_format
        context.time_base = TIME_BASE
        context.framerate = Fraction(order.fps)
        context.bit_rate = order.bit_rate
        context.gop_size = order.keyframe_pictures
        context.max_b_frames = 0
        prepare(context, order)
        context.open()
        if steers:
            context.bit_rate = order.bit_rate
        return cast(Coder, context)

    return Recipe(name, codec, pixel_format, steers, open_context)


def _x264(context: av.VideoCodecContext, order: Order) -> None:
    # x264 follows `bit_rate` while it runs only if it begins with a fixed one, and never beyond that: it begins with
    # the highest there is and is told the wanted one before its first picture.
    context.bit_rate = MOST_BIT_RATE
    context.thread_count = order.settings.threads
    context.profile = "Baseline"
    context.options = {
        "preset": order.settings.preset,
        "tune": "zerolatency",
        "forced-idr": "1",
        # Ultrafast drops the deblocking filter, which costs little and is what faces need most.
        "x264-params": "no-deblock=0:scenecut=0:colorprim=bt709:transfer=bt709:colormatrix=bt709",
        "level": "31" if order.width * order.height <= 1280 * 720 and order.fps <= 30 else "51",
        "maxrate": str(MOST_BIT_RATE),
        # 0.4 s, so that keyframes stay small enough to leave at once; x264 wants room for a picture at the least.
        "bufsize": str(max(order.bit_rate * 2 // 5, MOST_BIT_RATE * 5 // 4 // order.fps)),
    }


def _vpx(context: av.VideoCodecContext, order: Order) -> None:
    # It cannot be steered while it runs: FFmpeg tells it rate and quantizer bounds once, when it opens, and `bit_rate`,
    # `qmin`, `qmax` and `options` set later change nothing (measured: 1.04 Mbit/s before and after, asked for 0.3).
    context.thread_count = order.settings.threads
    context.qmin, context.qmax = 2, 56
    context.options = {
        "deadline": "realtime",
        "cpu-used": "-12",
        "lag-in-frames": "0",
        "minrate": str(order.bit_rate),
        "maxrate": str(order.bit_rate),
        "bufsize": str(order.bit_rate),
        "static-thresh": "1",
    }


def _open_vpx(order: Order) -> Coder:
    check_steering()
    return VpxEncoder(
        order.width,
        order.height,
        order.fps,
        order.bit_rate,
        keyframe_pictures=order.keyframe_pictures,
        threads=order.settings.threads,
        clock=TIME_BASE,
    )


def _hardware(**options: str) -> Callable[[av.VideoCodecContext, Order], None]:
    def prepare(context: av.VideoCodecContext, order: Order) -> None:
        context.options = {**options, "maxrate": str(order.bit_rate), "bufsize": str(order.bit_rate * 2 // 5)}

    return prepare


_NVENC = _hardware(
    preset="p1", tune="ull", rc="cbr", zerolatency="1", delay="0", profile="baseline", **{"forced-idr": "1"}
)
_QSV = _hardware(preset="veryfast", async_depth="1", profile="baseline", forced_idr="1")
_TOOLBOX = _hardware(realtime="1", prio_speed="1", profile="baseline", allow_sw="0")
_VAAPI = _hardware(rc_mode="CBR", profile="constrained_baseline", async_depth="1")

# Best first. Those of FFmpeg in software, which are always there, stand last.
RECIPES = (
    _ffmpeg("h264_nvenc", "H264", "yuv420p", True, _NVENC),
    _ffmpeg("h264_videotoolbox", "H264", "yuv420p", True, _TOOLBOX),
    _ffmpeg("h264_qsv", "H264", "nv12", True, _QSV),
    _ffmpeg("h264_vaapi", "H264", "nv12", False, _VAAPI),
    _ffmpeg("libx264", "H264", "yuv420p", True, _x264),
    Recipe("libvpx-direct", "VP8", "yuv420p", True, _open_vpx),
    _ffmpeg("libvpx", "VP8", "yuv420p", False, _vpx),
)
SOFTWARE = {"H264": "libx264", "VP8": "libvpx"}


def choose_recipe(codec: str, settings: VideoSection) -> Recipe:
    """The best encoder of a codec that works here; the one in software if the wanted one does not."""
    wanted = settings.encoder if codec == "H264" else "auto"
    for recipe in RECIPES:
        if recipe.codec != codec or not (wanted in ("auto", recipe.name) or recipe.name == SOFTWARE[codec]):
            continue
        if recipe.name == SOFTWARE[codec] or works(recipe):
            if wanted not in ("auto", recipe.name):
                log.warning("%s does not work on this machine: %s encodes", wanted, recipe.name)
            return recipe
    raise ValueError(f"there is no codec {codec}")


@cache
def works(recipe: Recipe) -> bool:
    """Whether pictures come out at once, and can be decoded."""
    order = Order(TRIED_SIZE, TRIED_SIZE, 25, 1_000_000, 250, VideoSection())
    ramp = np.linspace(16, 235, TRIED_SIZE * TRIED_SIZE).astype(np.uint8).reshape(TRIED_SIZE, TRIED_SIZE)
    try:
        coder = recipe.open(order)
        decoder = av.CodecContext.create("h264" if recipe.codec == "H264" else "libvpx", "r")
        shown = 0
        for index in range(TRIED_PICTURES):
            picture = av.VideoFrame.from_ndarray(np.roll(ramp, index), format="gray").reformat(
                format=recipe.pixel_format
            )
            picture.pts, picture.time_base = index * 3_600, TIME_BASE
            picture.pict_type = PictureType.I if index in (0, TRIED_PICTURES - 1) else PictureType.NONE
            packets = coder.encode(picture)
            if len(packets) != 1 or (picture.pict_type == PictureType.I and not packets[0].is_keyframe):
                return False
            shown += len(decoder.decode(packets[0]))
        shown += len(decoder.decode(None))
    except (av.FFmpegError, ValueError, OSError) as reason:
        log.debug("%s does not work here: %s", recipe.name, reason)
        return False
    return shown == TRIED_PICTURES
