"""VP8 by libvpx without FFmpeg between: it takes another bit rate while it runs, and makes no keyframe for it.

FFmpeg tells libvpx its rate once, when it opens; `vpx_codec_enc_config_set` tells it again before any picture.
"""

import ctypes
import weakref
from ctypes import byref, c_int, c_void_p
from fractions import Fraction
from functools import cache

import av
import numpy as np
from av.video.frame import PictureType

from engine.stream.libvpx import (
    Frame,
    Rational,
    VpxError,
    begin,
    check,
    default_configuration,
    load_library,
    wrap_image,
)

CBR = 1
QUANTIZERS = 2, 56
BUFFERS_MS = 1_000, 750, 833  # what the rate is kept over; how full it begins, and shall be
CPU_USED, STATIC_THRESHOLD = 13, 17  # numbers of controls
SPEED = -12  # fixed, and quick; a positive one would follow the load of the machine
REALTIME = 1
FORCE_KEYFRAME = IS_KEYFRAME = 1
FRAME_PACKET = 0
TRIED_SIZE, TRIED_RATES, TRIED_PICTURES = 64, (1_000_000, 100_000), 12


class VpxEncoder:
    """VP8 of one size: yuv420p pictures in, each at once out. For one thread at a time.

    bit_rate: may be set at any time; the next picture follows it, and is no keyframe for it.
    VpxError: libvpx is not here, is of a release not known here, or refuses something.
    """

    def __init__(
        self, width: int, height: int, fps: int, bit_rate: int, *, keyframe_pictures: int, threads: int, clock: Fraction
    ):
        self.bit_rate = bit_rate
        self._size, self._clock, self._duration = (width, height), clock, round(1 / (fps * clock))
        self._last_pts: int | None = None
        self._library = library = load_library()
        self._config = config = default_configuration(library)
        config.width, config.height, config.threads = width, height, threads
        config.time_base = Rational(clock.numerator, clock.denominator)
        config.kilobits, config.rate_control = bit_rate // 1_000, CBR
        config.least_quantizer, config.most_quantizer = QUANTIZERS
        config.buffer_ms, config.buffer_begin_ms, config.buffer_best_ms = BUFFERS_MS
        config.most_keyframe_gap = keyframe_pictures
        self._context = begin(library, config)
        # Not at the end of the process: its memory goes anyway, and a thread may still be inside.
        weakref.finalize(self, library.vpx_codec_destroy, byref(self._context)).atexit = False
        self._image = wrap_image(library, width, height)
        weakref.finalize(self, library.vpx_img_free, self._image).atexit = False
        for control, value in ((CPU_USED, SPEED), (STATIC_THRESHOLD, 1)):
            check(library, self._context, library.vpx_codec_control_(byref(self._context), control, c_int(value)))

    def encode(self, picture: av.VideoFrame) -> list[av.Packet]:
        """Its packet; none, if libvpx skips it. pict_type I asks for a keyframe."""
        library, context = self._library, byref(self._context)
        if picture.pts is None or (self._last_pts is not None and picture.pts <= self._last_pts):
            raise VpxError(f"pictures must follow in time: {picture.pts} after {self._last_pts}")
        self._show(picture)
        if self.bit_rate // 1_000 != self._config.kilobits:
            self._config.kilobits = self.bit_rate // 1_000
            check(library, self._context, library.vpx_codec_enc_config_set(context, byref(self._config)))
        flags = FORCE_KEYFRAME if picture.pict_type == PictureType.I else 0
        # `picture` keeps its planes until this returns, and libvpx copies what it needs longer.
        code = library.vpx_codec_encode(context, self._image, picture.pts, self._duration, flags, REALTIME)
        check(library, self._context, code)
        self._last_pts = picture.pts
        packets, place = [], c_void_p()
        while found := library.vpx_codec_get_cx_data(context, byref(place)):
            if found.contents.kind == FRAME_PACKET:
                packets.append(self._copy(found.contents.frame))
        return packets

    def _show(self, picture: av.VideoFrame) -> None:
        """Let libvpx see the planes of a picture, if they hold all that it will read."""
        width, height = self._size
        if (picture.width, picture.height, picture.format.name) != (width, height, "yuv420p"):
            raise VpxError(
                f"{picture.format.name} of {picture.width}x{picture.height}, not yuv420p of {width}x{height}"
            )
        half = (width + 1) // 2, (height + 1) // 2
        for index, (plane, (wide, high)) in enumerate(zip(picture.planes, ((width, height), half, half), strict=True)):
            if plane.line_size < wide or plane.buffer_size < plane.line_size * (high - 1) + wide:
                raise VpxError(f"plane {index} of the picture is too short")
            self._image.contents.planes[index] = plane.buffer_ptr
            self._image.contents.strides[index] = plane.line_size

    def _copy(self, frame: Frame) -> av.Packet:
        """What libvpx overwrites with its next picture, as a packet of its own."""
        packet = av.Packet(ctypes.string_at(frame.data.begin, frame.data.size))
        packet.pts = packet.dts = frame.pts
        packet.duration, packet.time_base = frame.duration, self._clock
        packet.is_keyframe = bool(frame.flags & IS_KEYFRAME)
        return packet


@cache
def check_steering() -> None:
    """Try it once on noise. VpxError: there is no libvpx that can be used, or it does not follow its rate."""
    clock = Fraction(1, 1_000)
    fast, slow = TRIED_RATES
    encoder = VpxEncoder(TRIED_SIZE, TRIED_SIZE, 25, fast, keyframe_pictures=1_000, threads=1, clock=clock)
    noise = np.random.default_rng(0).integers(0, 256, (2 * TRIED_PICTURES, TRIED_SIZE * 3 // 2, TRIED_SIZE), np.uint8)
    sizes = []
    for index, levels in enumerate(noise):
        picture = av.VideoFrame.from_ndarray(levels, format="yuv420p")
        picture.pts, picture.time_base = index * 40, clock
        encoder.bit_rate = fast if index < TRIED_PICTURES else slow
        packets = encoder.encode(picture)
        if len(packets) != 1 or packets[0].is_keyframe != (index == 0):
            raise VpxError("libvpx keeps pictures back, or makes keyframes that nobody asked for")
        sizes.append(packets[0].size)
    before, after = sum(sizes[1:TRIED_PICTURES]), sum(sizes[-TRIED_PICTURES + 1 :])
    if after > before / 2:
        raise VpxError(f"libvpx does not follow its rate: {before} bytes, then {after}")
