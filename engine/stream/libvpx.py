"""libvpx as it lies in the process: found, declared, and asked whether it is the one that is declared here.

PyAV's wheels carry it, a distribution has it. Of its public structures (vpx/vpx_codec.h, vpx_encoder.h, vpx_image.h)
only what lies at the same place in all releases from 1.8 to 1.16 is declared; the library fills the rest, which is
never touched. It refuses to begin under the number of another release.
"""

import ctypes
import ctypes.util
import logging
from ctypes import (
    POINTER,
    byref,
    c_char_p,
    c_int,
    c_int64,
    c_long,
    c_size_t,
    c_ubyte,
    c_uint,
    c_uint32,
    c_ulong,
    c_void_p,
)
from functools import cache
from pathlib import Path

import av

# VPX_ENCODER_ABI_VERSION of the releases 1.16, 1.15.1, 1.15.0, 1.14, 1.13, 1.12 and 1.11, 1.10, 1.9 and 1.8.
VERSIONS = (39, 37, 36, 34, 30, 25, 24, 23)
OTHER_VERSION = 3  # VPX_CODEC_ABI_MISMATCH
I420 = 0x102
ROOM = 4096  # bytes, for what follows in a structure: more than any release has

log = logging.getLogger(__name__)


class VpxError(OSError):
    """libvpx is not here, is of another version, or refuses something; says what."""


class Rational(ctypes.Structure):
    _fields_ = [("numerator", c_int), ("denominator", c_int)]


class Buffer(ctypes.Structure):
    _fields_ = [("begin", c_void_p), ("size", c_size_t)]


class Configuration(ctypes.Structure):
    """vpx_codec_enc_cfg up to its keyframes."""

    _fields_ = [
        *[(name, c_uint) for name in ("usage", "threads", "profile", "width", "height", "depth", "input_depth")],
        ("time_base", Rational),
        *[(name, c_uint) for name in ("resilient", "passes", "lag", "drop_threshold", "resize")],
        *[(name, c_uint) for name in ("scaled_width", "scaled_height", "resize_up", "resize_down", "rate_control")],
        ("statistics", Buffer),
        ("block_statistics", Buffer),
        *[(name, c_uint) for name in ("kilobits", "least_quantizer", "most_quantizer", "undershoot", "overshoot")],
        *[(name, c_uint) for name in ("buffer_ms", "buffer_begin_ms", "buffer_best_ms")],
        *[(name, c_uint) for name in ("bias", "least_section", "most_section", "complexity")],
        *[(name, c_uint) for name in ("keyframe_mode", "least_keyframe_gap", "most_keyframe_gap")],
        ("rest", c_ubyte * ROOM),
    ]


class Context(ctypes.Structure):
    """vpx_codec_ctx: only its address is used."""

    _fields_ = [("words", c_void_p * (ROOM // ctypes.sizeof(c_void_p)))]


class Image(ctypes.Structure):
    """vpx_image up to its strides. The library makes them, so nothing need follow."""

    _fields_ = [
        *[(name, c_uint) for name in ("format", "space", "range", "stored_width", "stored_height", "depth")],
        *[(name, c_uint) for name in ("width", "height", "wanted_width", "wanted_height", "shift_x", "shift_y")],
        ("planes", c_void_p * 4),
        ("strides", c_int * 4),
    ]


class Frame(ctypes.Structure):
    _fields_ = [("data", Buffer), ("pts", c_int64), ("duration", c_ulong), ("flags", c_uint32)]


class Packet(ctypes.Structure):
    """vpx_codec_cx_pkt of a picture."""

    _fields_ = [("kind", c_int), ("frame", Frame)]


FUNCTIONS = {  # result, arguments; of vpx_codec_control_ those that do not vary
    "vpx_codec_version_str": (c_char_p,),
    "vpx_codec_vp8_cx": (c_void_p,),
    "vpx_codec_enc_config_default": (c_int, c_void_p, POINTER(Configuration), c_uint),
    "vpx_codec_enc_init_ver": (c_int, POINTER(Context), c_void_p, POINTER(Configuration), c_long, c_int),
    "vpx_codec_control_": (c_int, POINTER(Context), c_int),
    "vpx_codec_enc_config_set": (c_int, POINTER(Context), POINTER(Configuration)),
    "vpx_codec_encode": (c_int, POINTER(Context), POINTER(Image), c_int64, c_ulong, c_long, c_ulong),
    "vpx_codec_get_cx_data": (POINTER(Packet), POINTER(Context), POINTER(c_void_p)),
    "vpx_codec_destroy": (c_int, POINTER(Context)),
    "vpx_codec_error": (c_char_p, POINTER(Context)),
    "vpx_codec_error_detail": (c_char_p, POINTER(Context)),
    "vpx_img_wrap": (POINTER(Image), c_void_p, c_int, c_uint, c_uint, c_uint, c_void_p),
    "vpx_img_free": (None, POINTER(Image)),
}


def library_paths() -> list[str]:
    """Where libvpx may be: beside PyAV as its wheels carry it (Linux and Windows; macOS), in the system."""
    package = Path(str(av.__file__)).parent
    carried = sorted([*package.parent.glob("av.libs/*vpx*"), *package.glob(".dylibs/*vpx*")])
    shared = ctypes.util.find_library("vpx")
    return [*map(str, carried), *([shared] if shared else [])]


@cache
def load_library() -> ctypes.CDLL:
    """libvpx with what is used of it declared. VpxError: there is none."""
    for path in library_paths():
        try:
            library = ctypes.CDLL(path)
            for name, (result, *arguments) in FUNCTIONS.items():
                function = getattr(library, name)
                function.restype, function.argtypes = result, arguments
        except (OSError, AttributeError) as reason:
            log.debug("%s: %s", path, reason)
            continue
        log.debug("libvpx %s: %s", library.vpx_codec_version_str().decode(), path)
        return library
    raise VpxError("there is no libvpx beside PyAV, nor in the system")


def default_configuration(library: ctypes.CDLL) -> Configuration:
    """What the library proposes for VP8. VpxError: that does not lie where it is looked for."""
    config = Configuration()
    code = library.vpx_codec_enc_config_default(library.vpx_codec_vp8_cx(), byref(config), 0)
    sizes = config.width, config.height, config.time_base.numerator, config.time_base.denominator
    rates = config.kilobits, config.most_quantizer, config.least_keyframe_gap, config.most_keyframe_gap
    if code or sizes != (320, 240, 1, 30) or rates != (256, 63, 0, 128):
        raise VpxError("the configuration of this libvpx is laid out in another way")
    return config


def begin(library: ctypes.CDLL, config: Configuration) -> Context:
    """An encoder of VP8, to be destroyed. VpxError: the release is not known here, or the configuration is wrong."""
    context = Context()
    for version in VERSIONS:
        code = library.vpx_codec_enc_init_ver(byref(context), library.vpx_codec_vp8_cx(), byref(config), 0, version)
        if code != OTHER_VERSION:
            check(library, context, code)
            return context
    raise VpxError(f"libvpx {library.vpx_codec_version_str().decode()} is not known here")


def wrap_image(library: ctypes.CDLL, width: int, height: int) -> "ctypes._Pointer[Image]":
    """A yuv420p image without pixels, to be freed: its planes are set to those of every picture in turn."""
    image = library.vpx_img_wrap(None, I420, width, height, 1, 1)
    if not image:
        raise VpxError(f"libvpx has no image of {width}x{height}")
    made = image.contents
    known = made.format, made.width, made.height, made.shift_x, made.shift_y, made.strides[0]
    if known != (I420, width, height, 1, 1, width):
        raise VpxError("the images of this libvpx are laid out in another way")
    return image


def check(library: ctypes.CDLL, context: Context, code: int) -> None:
    """VpxError with what the library says, if it did not answer with 0."""
    if code:
        said = library.vpx_codec_error(byref(context)), library.vpx_codec_error_detail(byref(context))
        raise VpxError("libvpx: " + ", ".join(part.decode(errors="replace") for part in said if part))
