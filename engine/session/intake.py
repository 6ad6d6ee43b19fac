"""The way into a session: sound of any kind as it is pushed, ticks as they are computed."""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import replace
from fractions import Fraction

from engine.audio import AudioBlock, Rechunker
from engine.errors import SessionError
from engine.frames import SAMPLE_RATE_HZ, VOICE_RATE_HZ, VOICE_TICK_SAMPLES, AudioTick

BACKLOG_BLOCKS = 500  # 10 s of 20 ms blocks: more means that this machine cannot keep up at all
# A lead-in of 1 ms, the filter's reach, lets 20 ms packets end exactly with ticks: without it every tick would wait
# for one packet more.
LEAD_IN_MS = 1


class Intake:
    """Blocks are pushed by the event loop, ticks taken by the compute thread.

    hushed: called by the compute thread where the voice broke off, before the first tick that comes after it.
    pushed_s: where the sound pushed so far ends. ended: the last tick of the voice has been made.
    """

    def __init__(self, hushed: Callable[[], None]):
        self._blocks: deque[AudioBlock | int | None] = deque()  # an int: hush what ends there; None: the end
        self._ticks: deque[AudioTick] = deque()
        self._rechunker = Rechunker(lead_in_ms=LEAD_IN_MS)
        self._hushed = hushed
        self._silent_until = 0
        self.pushed_s = Fraction(LEAD_IN_MS, 1000)
        self.ended = False

    def __len__(self) -> int:
        """Ticks that wait."""
        return len(self._ticks)

    @property
    def end(self) -> int:
        """Sample of the 48 kHz media timeline at which the sound pushed so far ends."""
        return int(self.pushed_s * VOICE_RATE_HZ)

    @property
    def idle(self) -> bool:
        """Whether nothing waits, neither as sound nor as ticks."""
        return not (self._blocks or self._ticks)

    def push(self, block: AudioBlock) -> None:
        """Some more sound; SessionError when 10 s wait unheard."""
        if len(self._blocks) >= BACKLOG_BLOCKS:
            raise SessionError("this machine cannot keep up: 10 s of sound are waiting")
        self._blocks.append(block)
        self.pushed_s += Fraction(len(block.samples), block.rate_hz)

    def hush(self) -> None:
        """What was pushed and not taken yet is silence."""
        self._blocks.append(self.end)

    def finish(self) -> None:
        """Nothing more will be pushed."""
        self._blocks.append(None)

    def rechunk(self) -> None:
        """What was pushed becomes ticks. MediaError for sound that cannot be speech."""
        while self._blocks:
            block = self._blocks.popleft()
            if block is None:
                self._add(self._rechunker.flush())
                self.ended = True
            elif isinstance(block, int):
                self._silent_until = block
                self._ticks = deque(_silence(tick, block) for tick in self._ticks)
                self._hushed()
            elif not self.ended:
                self._add(self._rechunker.push(block))

    def take(self) -> AudioTick | None:
        """The next tick, if there is one."""
        return self._ticks.popleft() if self._ticks else None

    def _add(self, ticks: Iterable[AudioTick]) -> None:
        self._ticks.extend(_silence(tick, self._silent_until) for tick in ticks)


def _silence(tick: AudioTick, until: int) -> AudioTick:
    """A tick without what lies before a sample of the 48 kHz timeline."""
    silent = min(VOICE_TICK_SAMPLES, until - tick.index * VOICE_TICK_SAMPLES)
    if silent <= 0:
        return tick
    samples, voice = tick.samples.copy(), tick.voice.copy()
    samples[: silent * SAMPLE_RATE_HZ // VOICE_RATE_HZ] = 0.0
    voice[:silent] = 0.0
    return replace(tick, samples=samples, voice=voice)
