"""What the first byte of an Opus packet says, without decoding it (RFC 6716, section 3.1)."""

from engine.frames import VOICE_RATE_HZ

LONGEST_MS = 120
# Frame lengths in ms by configuration: SILK 0 to 11, hybrid 12 to 15, CELT 16 to 31.
_LENGTHS_MS = (*(10, 20, 40, 60) * 3, *(10, 20) * 2, *(2.5, 5, 10, 20) * 4)


def packet_samples(payload: bytes) -> int:
    """Length of a packet at 48 kHz; 0: this is no Opus packet."""
    if not payload:
        return 0
    code = payload[0] & 3
    if code == 3:
        if len(payload) < 2:
            return 0
        frames = payload[1] & 63
    else:
        frames = (1, 2, 2)[code]
    length_ms = frames * _LENGTHS_MS[payload[0] >> 3]
    return round(length_ms * VOICE_RATE_HZ / 1_000) if length_ms <= LONGEST_MS else 0


def lost_packet(before: bytes, samples: int) -> bytes:
    """A packet without content, in place of one that was lost: the decoder goes on from `before` by itself and fades
    out within 100 ms. It makes at least `samples`, in frames as long as those before, at most 120 ms.

    RFC 6716, section 3.2.1: a frame of no bytes is one that was not sent. FFmpeg opens no other door to the decoder's
    concealment, and none to the spare copy that the next packet may carry (FEC).
    """
    config, stereo = before[0] >> 3, before[0] & 4
    frames = -(-samples * 1_000 // round(_LENGTHS_MS[config] * VOICE_RATE_HZ))
    frames = min(frames, int(LONGEST_MS / _LENGTHS_MS[config]))
    # Code 0 is one frame; code 3 a number of them, here of equal length: none.
    return bytes([config << 3 | stereo]) if frames == 1 else bytes([config << 3 | stereo | 3, frames])
