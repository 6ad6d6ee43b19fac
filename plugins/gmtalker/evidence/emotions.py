"""Is the emotion that was asked for the one that is seen? Pure ones, at three levels, and mixtures of two."""

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import numpy as np

from benchmarks.emotion_reader import EmotionReader, load_reader, save_reader, teach
from benchmarks.evidence import Evidence
from benchmarks.maps import draw_shares
from engine.motion import layout
from engine.motion.emotion import EMOTIONS, NEUTRAL, K
from engine.training.performers import Performances
from plugins.gmtalker.evidence.scenes import FULL, Scene, one_hot
from plugins.gmtalker.evidence.streaming import Actor, stream

PAIRS = tuple(combinations(range(K), 2))
CONFUSION = "confusion"


def get_reader(corpus: Performances, path: Path, takes: int, seed: int, tell) -> EmotionReader:
    """The emotion reader: from its file, or taught on performances of the training split (and kept there)."""
    if path.is_file():
        return load_reader(path)
    tell(f"{takes} performances to teach the emotion reader (once; it is kept in {path})")
    clips, emotions = [], []
    for example in corpus(corpus.plan("train", takes, seed + 100)):
        if len(example.motion) > 10:
            clips.append(example.motion)
            emotions.append(example.emotion)
    reader = teach(clips, emotions, seed)
    save_reader(reader, path, {"takes": takes, "seed": seed, "split": "train"})
    return reader


def judge_pure(
    evidence: Evidence, reader: EmotionReader, scenes: Sequence[Scene], actor: Actor, name: str = "emotion_accuracy",
    whole: bool = True,
) -> np.ndarray:
    """Accuracy at full intensity; whole: also by emotion, by kind of voice, by level, and the confusions. Returns how
    each emotion was shown, see `mean_faces`."""
    wanted = np.array([scene.emotion for scene in scenes])
    motions = stream(actor, [scene.line() for scene in scenes])
    posterior = reader.posteriors(motions)
    right = posterior.argmax(1) == wanted
    evidence.add(name, float(right.mean()), len(right))
    if not whole:
        return mean_faces(motions, wanted)
    plain = np.array([scene.plain for scene in scenes])
    evidence.add(f"{name}_neutral_voice", float(right[plain].mean()), int(plain.sum()))
    evidence.add(f"{name}_felt_voice", float(right[~plain].mean()), int((~plain).sum()))
    evidence.add(f"{name}_by_emotion", _by_emotion(right, wanted), len(right))
    evidence.add(f"{name}_posterior", float(posterior[np.arange(len(wanted)), wanted].mean()), len(right))
    evidence.add(CONFUSION, _confusion(posterior, wanted), len(right))
    felt = [scene for scene in scenes if scene.emotion != NEUTRAL]
    for level in range(1, FULL):
        seen = reader.posteriors(stream(actor, [scene.line(level=level) for scene in felt])).argmax(1)
        of_level = seen == np.array([scene.emotion for scene in felt])
        evidence.add(f"{name}_level_{level}", float(of_level.mean()), len(of_level))
    return mean_faces(motions, wanted)


def judge_reference(evidence: Evidence, reader: EmotionReader, scenes: Sequence[Scene]) -> np.ndarray:
    """The same of the performances themselves, which says how far the reader can be believed."""
    wanted = np.array([scene.emotion for scene in scenes])
    takes = [scene.performed() for scene in scenes]
    posterior = reader.posteriors(takes)
    right = posterior.argmax(1) == wanted
    evidence.add("emotion_accuracy_reference", float(right.mean()), len(right))
    evidence.add("emotion_accuracy_by_emotion_reference", _by_emotion(right, wanted), len(right))
    evidence.add("confusion_reference", _confusion(posterior, wanted), len(right))
    of_ticks = [(reader.read_ticks(take).argmax(-1) == k).mean() for take, k in zip(takes, wanted, strict=True)]
    evidence.add("emotion_accuracy_ticks_reference", float(np.mean(of_ticks)), len(right))
    felt = [scene for scene in scenes if scene.emotion != NEUTRAL]
    for level in range(1, FULL):
        seen = reader.posteriors([scene.performed(level=level) for scene in felt]).argmax(1)
        of_level = seen == np.array([scene.emotion for scene in felt])
        evidence.add(f"emotion_accuracy_level_{level}_reference", float(of_level.mean()), len(of_level))
    return mean_faces(takes, wanted)


def mean_faces(motions: Sequence[np.ndarray], emotions: np.ndarray) -> np.ndarray:
    """The mean coefficients of each emotion's clips (K, E); nan where there is none."""
    means = np.array([motion[:, : layout.E].mean(0) for motion in motions])
    return np.array([means[emotions == k].mean(0) if (emotions == k).any() else np.full(layout.E, np.nan)
                     for k in range(K)])  # fmt: skip


def judge_mixtures(
    evidence: Evidence, reader: EmotionReader, scenes: Sequence[Scene], actors: dict[str, Actor],
    faces: dict[str, np.ndarray], each: int,
) -> None:  # fmt: skip
    """0.5 / 0.5 of two emotions, every pair on `each` of the scenes (neutral voices). actors: by the end of a figure's
    name; faces: `mean_faces` of each of them and of "_reference".

    The reader knows pure emotions only, so it tends to name one of the two: what both get together says that no third
    is seen, not that both are. So `mixture_position` says where the mean face lies on the way from the mean face of the
    one (0) to that of the other (1), and `mixture_between` how often that is the middle half.
    """
    cast = [(scenes[(n * each + i) % len(scenes)], pair) for n, pair in enumerate(PAIRS) for i in range(each)]
    weights = [0.5 * (one_hot(a) + one_hot(b)) for _, (a, b) in cast]
    clips = {
        end: stream(actor, [scene.line(w) for (scene, _), w in zip(cast, weights, strict=True)])
        for end, actor in actors.items()
    }
    clips["_reference"] = [scene.performed(w) for (scene, _), w in zip(cast, weights, strict=True)]
    for end, motions in clips.items():
        posterior = reader.posteriors(motions)
        two = np.array([posterior[n, list(pair)] for n, (_, pair) in enumerate(cast)])
        evidence.add(f"mixture_posterior{end}", float(two.sum(1).mean()), len(two))
        evidence.add(f"mixture_lesser{end}", float(two.min(1).mean()), len(two))
        way = [_position(motion, *faces[end][list(pair)]) for motion, (_, pair) in zip(motions, cast, strict=True)]
        evidence.add(f"mixture_position{end}", float(np.mean(way)), len(way))
        evidence.add(f"mixture_between{end}", float(np.mean(np.abs(np.array(way) - 0.5) <= 0.25)), len(way))
        table = {
            f"{EMOTIONS[a]}+{EMOTIONS[b]}": float(two[[pair == (a, b) for _, pair in cast]].sum(1).mean())
            for a, b in PAIRS
        }
        evidence.add(f"mixture_posterior{end}_by_pair", table, len(two))


def _position(motion: np.ndarray, one: np.ndarray, other: np.ndarray) -> float:
    way = other - one
    return float((motion[:, : layout.E].mean(0) - one) @ way / max(float(way @ way), 1e-12))


def _by_emotion(right: np.ndarray, wanted: np.ndarray) -> dict[str, float]:
    return {name: float(right[wanted == k].mean()) for k, name in enumerate(EMOTIONS) if (wanted == k).any()}


def _confusion(posterior: np.ndarray, wanted: np.ndarray) -> list[list[float]]:
    """Rows are what was asked for, columns what was seen, both in the order of EMOTIONS; shares."""
    seen = posterior.argmax(1)
    return [[float((seen[wanted == k] == j).mean()) if (wanted == k).any() else 0.0 for j in range(K)]
            for k in range(K)]  # fmt: skip


def draw_confusions(evidence: Evidence, folder: Path) -> None:
    """Heat maps of what was seen where what was asked for: streamed, and performed."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in ((CONFUSION, "streamed"), (f"{CONFUSION}_reference", "performed")):
        row = evidence.figures[name]
        title = f"{text}, {row['n']} clips: asked for (down), seen (across), %"
        draw_shares(np.array(row["value"]), EMOTIONS, title).save(folder / f"{name}.png")
