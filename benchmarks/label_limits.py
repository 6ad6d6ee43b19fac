"""How far the phone labels themselves can be trusted, and where an encoder errs.

    python -m benchmarks.label_limits --json F

Labels of recorded speech come from an aligner. For each set this prints the frame accuracy of the encoder (a) on all
frames, (b) on frames at least 20 and 40 ms from any boundary, and with every label allowed to be a frame of 20 ms
early or late, (c) against a second alignment of the *same* phone sequence, made by the encoder itself, and (d) the
agreement of that second alignment with the labels: two honest alignments of one recording differ in so many frames,
and no recogniser can be right about those. On synthetic voices, whose times come out of the synthesizer, `--align`
adds the agreement of pocketsphinx with them. Phones are counted twice: our 43 symbols, and the 39 classes by which
recognisers are compared; for both, `commonest_errors` are the ten commonest confusions with their share of all
errors. `kinds_of_errors` asks what the errors are; `by_voice` says the main figures of every synthetic voice.
"""

import argparse
import json
from collections import Counter
from pathlib import Path

import numpy as np
import torch

from engine.features import load_encoder
from engine.features.phones import PHONES, PHONES39, SIL, VOWELS, indices
from engine.training.align import aligned_phones, aligner, viterbi
from engine.training.corpus import SOUNDS_EN, Clip, read_corpus, read_real, split_of
from engine.training.phone_figures import Heard, posteriors, share
from engine.training.phones import FRAME_S, PHONE39_TABLE, VISEME_TABLE, frame_labels

VOICING = (("P", "B"), ("T", "D"), ("K", "G"), ("CH", "JH"), ("F", "V"), ("TH", "DH"), ("S", "Z"), ("SH", "ZH"))
OF_A_VOICE = ("phone_all", "viseme_all", "viseme_40ms_inside", "viseme_agreement_of_alignments")


def distance_to_boundary(phones: tuple, frames: int) -> np.ndarray:
    """Seconds from the middle of each frame to the nearest boundary of two phones, (frames,)."""
    edges = np.array([end for _, _, end in phones[:-1]] or [np.inf])
    centres = (np.arange(frames) + 0.5) * FRAME_S
    return np.abs(centres[:, None] - edges).min(1)


def limits(clips: list[Clip], probabilities: list[Heard], delay: int) -> dict:
    """The figures of the module's docstring for one set and one look-ahead (an index of the encoder's delays)."""
    truth, guess, seen, again, far, before, after = [], [], [], [], [], [], []
    for clip, p in zip(clips, probabilities, strict=True):
        frames = p.phones.shape[1]
        labels = frame_labels(clip.phones, frames)
        # the second alignment hears all that the encoder can hear: its longest delay
        again.append(viterbi(np.log(p.phones[-1] + 1e-6), labels))
        truth.append(labels)
        guess.append(p.phones[delay].argmax(-1))
        seen.append(p.visemes[delay].argmax(-1))
        before.append(np.r_[labels[:1], labels[:-1]])
        after.append(np.r_[labels[1:], labels[-1:]])
        far.append(distance_to_boundary(clip.phones, frames))
    columns = (truth, guess, seen, again, far, before, after)
    truth, guess, seen, again, far, before, after = map(np.concatenate, columns)
    figures: dict = {"frames": len(truth)}
    countings = (
        ("phone", np.arange(len(PHONES)), guess),
        ("phone39", PHONE39_TABLE, PHONE39_TABLE[guess]),
        ("viseme", VISEME_TABLE, seen),
    )
    for name, classes, said in countings:
        right = said == classes[truth]
        figures |= {
            f"{name}_all": share(right),
            f"{name}_20ms_inside": share(right[far > 0.02]),
            f"{name}_40ms_inside": share(right[far > 0.04]),
            f"{name}_within_a_frame": share(right | (said == classes[before]) | (said == classes[after])),
            f"{name}_against_second_alignment": share(said == classes[again]),
            f"{name}_agreement_of_alignments": share(classes[again] == classes[truth]),
        }
    figures["share_20ms_inside"] = share(far > 0.02)
    wrong = (guess != truth) & (far > 0.02)
    pairs = Counter(zip(truth[wrong].tolist(), guess[wrong].tolist(), strict=True))
    figures["confusions"] = {f"{PHONES[a]} as {PHONES[b]}": n / len(truth) for (a, b), n in pairs.most_common(20)}
    figures["commonest_errors"] = {
        "phone": commonest(truth, guess, PHONES),
        "phone39": commonest(PHONE39_TABLE[truth], PHONE39_TABLE[guess], PHONES39),
    }
    figures["kinds_of_errors"] = kinds_of_errors(truth, guess, (guess == before) | (guess == after))
    figures["wrong_at_silence"] = share((guess != truth) & ((guess == SIL) | (truth == SIL)))
    return figures


def by_voice(clips: list[Clip], probabilities: list[Heard], delay: int) -> dict[str, dict[str, float]]:
    """Some figures of `limits` for each voice alone."""
    rows: dict[str, list[int]] = {}
    for i, clip in enumerate(clips):
        rows.setdefault(clip.voice, []).append(i)
    found = {
        voice: limits([clips[i] for i in own], [probabilities[i] for i in own], delay) for voice, own in rows.items()
    }
    return {voice: {name: figures[name] for name in OF_A_VOICE} for voice, figures in found.items()}


def commonest(truth: np.ndarray, guess: np.ndarray, names: tuple[str, ...], count: int = 10) -> dict[str, float]:
    """The commonest confusions of either order, "A / B", with their share of all errors; labels (frames,) of names."""
    wrong = truth != guess
    pairs = Counter(tuple(sorted(pair)) for pair in zip(truth[wrong].tolist(), guess[wrong].tolist(), strict=True))
    errors = max(int(wrong.sum()), 1)
    return {f"{names[a]} / {names[b]}": n / errors for (a, b), n in pairs.most_common(count)}


def kinds_of_errors(truth: np.ndarray, guess: np.ndarray, beside: np.ndarray) -> dict[str, float]:
    """Shares of all errors, each error counted where it fits first; beside: a neighbouring frame has that label."""
    wrong = truth != guess
    a, b = truth[wrong], guess[wrong]
    vowels = indices(VOWELS)
    voicing = sum(np.isin(a, indices(pair)) & np.isin(b, indices(pair)) for pair in VOICING)
    kinds = {
        "one_class_of_39": PHONE39_TABLE[a] == PHONE39_TABLE[b],
        "right_one_frame_away": beside[wrong],
        "vowel_as_vowel": np.isin(a, vowels) & np.isin(b, vowels),
        "voicing": np.asarray(voicing, bool),
        "silence": (a == SIL) | (b == SIL),
    }
    left, shares = np.ones(len(a), bool), {}
    for name, fits in kinds.items():
        shares[name] = share(fits & left)
        left &= ~fits
    return shares | {"other": share(left)}


def aligner_agreement(clips: list[Clip]) -> dict:
    """Pocketsphinx's alignment of the labels' own phones against the labels, on voices whose times are exact."""
    decoder, failed = aligner(), 0
    same: list[np.ndarray] = []
    same_viseme: list[np.ndarray] = []
    moved: list[float] = []
    for clip in clips:
        found = aligned_phones(decoder, [name for name, _, _ in clip.phones if name != "sil"], clip.samples)
        if found is None:
            failed += 1
            continue
        frames = len(clip.samples) // 320
        labels, other = frame_labels(clip.phones, frames), frame_labels(found, frames)
        same.append(labels == other)
        same_viseme.append(VISEME_TABLE[labels] == VISEME_TABLE[other])
        ours, theirs = ([start for name, start, _ in one if name != "sil"] for one in (clip.phones, found))
        moved += [abs(a - b) for a, b in zip(ours, theirs, strict=True)]
    return {
        "clips": len(clips) - failed,
        "phone_agreement": share(np.concatenate(same)),
        "viseme_agreement": share(np.concatenate(same_viseme)),
        "start_difference_ms": {"p50": float(np.median(moved)) * 1000, "p90": float(np.quantile(moved, 0.9)) * 1000},
    }


def main(argv: list[str] | None = None) -> None:
    """Command line: see the module's docstring."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.label_limits", description=__doc__)
    parser.add_argument("--weights", type=Path, default=None, help="encoder weights; default: the shipped ones")
    parser.add_argument("--corpus", type=Path, default=Path("../shared/corpus"))
    parser.add_argument("--cache", type=Path, default=Path("runs/corpus"))
    parser.add_argument("--sounds", type=Path, default=Path(SOUNDS_EN))
    parser.add_argument("--lookahead", type=int, default=1, help="ticks of 40 ms")
    parser.add_argument("--align", type=int, default=0, help="so many synthetic clips are aligned by pocketsphinx")
    parser.add_argument("--json", type=Path, default=None)
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    encoder = load_encoder(args.weights)
    delay = encoder.config.delays.index(args.lookahead)
    corpus = read_corpus(args.corpus, args.cache)
    test = split_of(corpus, "test")
    real = read_real(args.corpus / "real_en.jsonl", args.sounds)
    table: dict = {"lookahead_ticks": args.lookahead}
    for name, clips in (("real", real), ("valid", split_of(corpus, "valid")), ("test", test)):
        heard = posteriors(encoder, clips)
        table[name] = limits(clips, heard, delay) | {"by_voice": by_voice(clips, heard, delay)}
    if args.align:
        chosen = np.random.default_rng(0).permutation(len(test))[: args.align]
        table["pocketsphinx_on_test"] = aligner_agreement([test[i] for i in chosen])
    print(json.dumps(table, indent=1))
    if args.json:
        args.json.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
