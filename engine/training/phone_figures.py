"""How well an encoder names phones: accuracies, and the lip events that design/quality.md counts."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from engine.features.levels import FRAME_SAMPLES
from engine.features.phones import BILABIAL, LABIODENTAL, OPEN_VOWELS, PHONE_INDEX, indices
from engine.features.speech_encoder import SpeechEncoder
from engine.features.speech_files import load_speech_encoder
from engine.training.corpus import SOUNDS_EN, Clip, read_corpus, read_real, split_of
from engine.training.phones import PHONE39_TABLE, VISEME_TABLE, frame_labels

NEAR = 2  # frames of 20 ms around a phone in which its event may fall


class Heard(NamedTuple):
    """Probabilities of one clip, float32: phones (delays, frames, 43), visemes (delays, frames, 12)."""

    phones: np.ndarray
    visemes: np.ndarray


@torch.inference_mode()
def posteriors(encoder: SpeechEncoder, clips: list[Clip]) -> list[Heard]:
    """What an encoder hears in each clip, moved back onto the clip's own frames."""
    encoder.eval()
    longest = max(encoder.config.delays) * 2
    order = sorted(range(len(clips)), key=lambda i: len(clips[i].samples))
    out: list[Heard] = [Heard(np.empty(0), np.empty(0))] * len(clips)
    for first in range(0, len(order), 16):
        some = order[first : first + 16]
        frames = [len(clips[i].samples) // FRAME_SAMPLES for i in some]
        ticks = (max(frames) + longest + 1) // 2
        batch = torch.zeros(len(some), ticks * 2 * FRAME_SAMPLES)
        for row, i in enumerate(some):
            n = frames[row] * FRAME_SAMPLES
            batch[row, :n] = torch.from_numpy(clips[i].samples[:n].astype(np.float32)) / 32768
        content = encoder(batch.to(encoder.phone_head.weight.device)).content
        phones = encoder.phone_logits(content).softmax(-1)
        both = [p.cpu().numpy() for p in (phones, encoder.visemes_of(phones))]
        late = [2 * ticks for ticks in encoder.config.delays]
        for row, i in enumerate(some):
            out[i] = Heard(*(np.stack([p[row, d : d + frames[row], k] for k, d in enumerate(late)]) for p in both))
    return out


def phone_figures(encoder: SpeechEncoder, clips: list[Clip]) -> dict[int, dict[str, float]]:
    """For each look-ahead in ticks: phone and viseme accuracy, closures, labiodentals.

    phone: of our 43 symbols. phone39: the same answers, folded into the 39 classes by which recognisers are compared
    (`phones.FOLDED`).
    viseme: of the twelve, by the encoder's side output `visemes`.
    closure: share of /p b m/ found at the threshold `bound` that 4 % of open-vowel frames exceed.
    closure25 / false25: found, and open-vowel frames lost, at a threshold of 0.25. labiodental: as
    closure, for /f v/.
    """
    probabilities = posteriors(encoder, clips)
    labels = [frame_labels(clip.phones, p.phones.shape[1]) for clip, p in zip(clips, probabilities, strict=True)]
    truth = np.concatenate(labels)
    open_frames = np.isin(truth, indices(OPEN_VOWELS))
    figures = {}
    for k, ticks in enumerate(encoder.config.delays):
        mine = [p.phones[k] for p in probabilities]
        guess = np.concatenate([p.argmax(-1) for p in mine])
        seen = np.concatenate([p.visemes[k].argmax(-1) for p in probabilities])
        shut = np.concatenate([p[:, indices(BILABIAL)].sum(-1) for p in mine])
        bound = float(np.quantile(shut[open_frames], 0.96)) if open_frames.any() else 0.25
        closures = peaks(clips, mine, BILABIAL)
        teeth = np.concatenate([p[:, indices(LABIODENTAL)].sum(-1) for p in mine])
        teeth_bound = float(np.quantile(teeth[open_frames], 0.96)) if open_frames.any() else 0.25
        figures[ticks] = {
            "phone": share(guess == truth),
            "phone39": share(PHONE39_TABLE[guess] == PHONE39_TABLE[truth]),
            "viseme": share(seen == VISEME_TABLE[truth]),
            "closure": share(closures > bound),
            "bound": bound,
            "closure25": share(closures > 0.25),
            "false25": share(shut[open_frames] > 0.25),
            "labiodental": share(peaks(clips, mine, LABIODENTAL) > teeth_bound),
            "labiodental25": share(peaks(clips, mine, LABIODENTAL) > 0.25),
        }
    return figures


def share(mask: np.ndarray) -> float:
    """Share of true entries; nan when there are none."""
    return float(mask.mean()) if mask.size else float("nan")


def peaks(clips: list[Clip], probabilities: list[np.ndarray], group: tuple[str, ...]) -> np.ndarray:
    """Greatest summed probability of a phone group within each of its phones, 40 ms around included."""
    columns = [PHONE_INDEX[name] for name in group]
    found = []
    for clip, p in zip(clips, probabilities, strict=True):
        curve = p[:, columns].sum(-1)
        for name, start_s, end_s in clip.phones:
            if name in group:
                a, b = int(start_s * 50) - NEAR, int(np.ceil(end_s * 50)) + NEAR
                piece = curve[max(a, 0) : b]
                if len(piece):
                    found.append(piece.max())
    return np.array(found)


def main(argv: Sequence[str] | None = None) -> None:
    """Figures of a weight file on the corpus test voices, the real prompts and what other corpora hold out, as JSON."""
    parser = argparse.ArgumentParser(prog="phone_figures", description=main.__doc__)
    parser.add_argument("--weights", type=Path, default=None)
    parser.add_argument("--corpus", type=Path, default=Path("../shared/corpus"))
    parser.add_argument("--cache", type=Path, default=Path("runs/corpus"))
    parser.add_argument("--sounds", type=Path, default=Path(SOUNDS_EN))
    parser.add_argument("--extra", type=Path, nargs="*", default=[], help="corpora whose validation split is judged")
    options = parser.parse_args(argv)
    torch.set_num_threads(1)
    encoder = load_speech_encoder(options.weights)
    sets = {
        "test": split_of(read_corpus(options.corpus, options.cache), "test"),
        "real": read_real(options.corpus / "real_en.jsonl", options.sounds),
    }
    sets |= {folder.name: split_of(read_corpus(folder, options.cache), "valid") for folder in options.extra}
    for name, clips in sets.items():
        minutes = sum(len(clip.samples) for clip in clips) / 16_000 / 60
        for ticks, figures in phone_figures(encoder, clips).items():
            rounded = {key: round(value, 3) for key, value in figures.items()}
            print(json.dumps({"set": name, "clips": len(clips), "minutes": round(minutes, 1),
                              "lookahead_ticks": ticks, **rounded}))  # fmt: skip


if __name__ == "__main__":
    main()
