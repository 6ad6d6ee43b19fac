"""Kokoro-82M by ONNX Runtime: a phonetic sentence in a voice becomes sound, and says how long each token lasts."""

from dataclasses import dataclass

import numpy as np

from engine.errors import DeviceError, MediaError
from engine.training.speech.packages import DURATIONS, Sources

RATE_HZ = 24_000
UNIT_S = 0.025  # one unit of the model's durations
LEVEL_DB, PEAK, SOFTEST_DB = -23.0, 0.89, -35.0
TOKENS_AT_LEAST, TOKENS_AT_MOST = 8, 230


@dataclass(frozen=True)
class Said:
    """One utterance: int16 samples (N,) at 16 kHz; the tokens said; units per token, two pads included."""

    samples: np.ndarray
    tokens: str
    durations: np.ndarray


class Synthesizer:
    """Speaks in any of the voice packs, or in a mixture of them ("af_sky+am_adam": speakers that nobody is)."""

    def __init__(self, sources: Sources):
        try:
            import onnxruntime
            from hibari.g2p import G2P
        except ModuleNotFoundError as error:
            raise DeviceError(f"building a corpus needs {error.name}: pip install 'visema[corpus]'") from None
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self.session = onnxruntime.InferenceSession(str(sources.model), options, providers=["CPUExecutionProvider"])
        self.sound = next(output.name for output in self.session.get_outputs() if output.name != DURATIONS)
        self.phonetic = {british: G2P(british=british) for british in (False, True)}
        self.sources = sources

    def spell(self, text: str, british: bool) -> str:
        """The tokens of a text; an opening quotation mark would spoil its first word."""
        spelled = self.phonetic[british](text.replace('"', ""))
        return "".join(token for token in spelled if token in self.sources.tokens)

    def style(self, voice: str, tokens: int) -> np.ndarray:
        """The style vector (1, 256) of a voice for an utterance of so many tokens."""
        packs = []
        for name in voice.split("+"):
            path = self.sources.voices / f"{name}.bin"
            if not path.is_file():
                raise MediaError(f"no voice is called {name!r}")
            packs.append(np.fromfile(path, np.float32).reshape(-1, 256)[tokens - 1])
        return np.mean(np.stack(packs), axis=0, keepdims=True).astype(np.float32)

    def say(self, text: str, voice: str, speed: float) -> Said:
        """Raises MediaError when the text is too short or long, or sound and durations do not fit."""
        tokens = self.spell(text, british=voice[0] == "b")
        if not TOKENS_AT_LEAST <= len(tokens) <= TOKENS_AT_MOST:
            raise MediaError(f"{len(tokens)} tokens")
        numbers = [0, *(self.sources.tokens[token] for token in tokens), 0]
        inputs = {
            "tokens": np.array([numbers], np.int64),
            "style": self.style(voice, len(tokens)),
            "speed": np.array([speed], np.float32),
        }
        sound, durations = (np.asarray(part).ravel() for part in self.session.run([self.sound, DURATIONS], inputs))
        if len(sound) != round(float(durations.sum()) * UNIT_S * RATE_HZ):
            raise MediaError(f"{len(sound)} samples do not fit durations of {durations.sum():.1f} units")
        return Said(levelled(sound), tokens, durations)


def levelled(sound: np.ndarray) -> np.ndarray:
    """24 kHz sound at 16 kHz, its speech at -23 dBFS unless a peak forbids it: int16 (N,)."""
    from scipy.signal import resample_poly

    x = resample_poly(sound, 2, 3)
    frames = np.sqrt(np.square(x[: len(x) // 160 * 160].reshape(-1, 160)).mean(1))
    spoken = frames[frames > frames.max() * 10 ** (SOFTEST_DB / 20)]
    gain = min(10 ** (LEVEL_DB / 20) / np.sqrt(np.square(spoken).mean()), PEAK / np.abs(x).max())
    return np.round(np.clip(x * gain, -1.0, 1.0) * 32767).astype(np.int16)
