"""The way out of a session: its moments in order, and what an interrupt still holds back of their voice.

When a speaker is interrupted, some of its voice has been heard by the networks but by nobody else: it waits behind
the look-ahead, or for the encoder. The outlet is the last place where it can be kept in.
"""

import asyncio
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from engine.channel import Channel, Policy
from engine.frames import VOICE_RATE_HZ, VOICE_TICK_SAMPLES, Moment

FADE_SAMPLES = VOICE_RATE_HZ // 200  # 5 ms: too short to be a word, long enough not to click
# Half a cosine, from 1 to 0.
FADE = (0.5 + 0.5 * np.cos(np.pi * (np.arange(FADE_SAMPLES) + 1) / FADE_SAMPLES)).astype(np.float32)


class Outlet(Channel[Moment]):
    """A channel of moments whose voice can be hushed.

    position: sample of the 48 kHz media timeline up to which the voice was taken by the receiver.
    taken: called with the position after every moment that was taken.
    """

    def __init__(self, depth: int, loop: asyncio.AbstractEventLoop | None = None):
        super().__init__(depth, Policy.BLOCK, loop)
        self.position = 0
        self.taken: Callable[[int], None] = lambda position: None
        self._silent_until = 0
        self._fading = False

    def hush(self, until: int) -> None:
        """Silence the voice from what is taken next up to media sample `until`, after a fade of 5 ms."""
        if until > self.position and self._silent_until <= self.position:
            self._fading = True  # else silence only grows longer
        self._silent_until = max(self._silent_until, until)

    async def get(self) -> Moment:
        moment = self._let_out(await super().get())
        self.taken(self.position)
        return moment

    def _let_out(self, moment: Moment) -> Moment:
        start = moment.audio.index * VOICE_TICK_SAMPLES
        self.position = start + VOICE_TICK_SAMPLES
        silent = min(VOICE_TICK_SAMPLES, self._silent_until - start)
        if silent <= 0:
            self._fading = False
            return moment
        voice = moment.audio.voice.copy()
        faded = min(FADE_SAMPLES, silent) if self._fading else 0
        self._fading = False
        voice[:faded] *= FADE[FADE_SAMPLES - faded :]
        voice[faded:silent] = 0.0
        return replace(moment, audio=replace(moment.audio, voice=voice))
