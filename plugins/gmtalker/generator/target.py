"""Who the generator learns to draw: one of our people in offline quality, with wrinkles of their own.

The paper learns a person from videos. Here none is at hand, so the person is rendered. A rendering that is a function
of the coefficients alone would leave the emotion mapping network nothing to say; people differ in what a feeling does
to their skin beyond the pose, and so does this one: each emotion deepens the wrinkles that go with it.
"""

import numpy as np

from engine.errors import ConfigError
from engine.motion.emotion import EMOTIONS
from engine.render.offline.renderer import SCALE, OfflineRenderer
from engine.render.relief import STRENGTH
from engine.render.scene import Scene

MOST = 1.2  # deepest that wrinkles get

# Zones of `relief.STRENGTH` that a full emotion deepens, beside what its pose folds. Which zone goes with which
# emotion: the muscles' wrinkles in the FACS manual (Ekman, Friesen and Hager 2002); how deep was set by eye.
FOLDS: dict[str, dict[str, float]] = {
    "angry": {"frown": 0.75, "bridge": 0.35, "fold_left": 0.2, "fold_right": 0.2},
    "contempt": {"fold_left": 0.6},
    "disgusted": {"bridge": 0.7, "fold_left": 0.45, "fold_right": 0.45, "frown": 0.2},
    "fear": {"forehead": 0.6, "forehead_left": 0.3, "forehead_right": 0.3, "frown": 0.3},
    "happy": {"crow_left": 0.6, "crow_right": 0.6, "fold_left": 0.4, "fold_right": 0.4},
    "neutral": {},
    "sad": {"forehead": 0.5, "frown": 0.4, "fold_left": 0.2, "fold_right": 0.2},
    "surprised": {"forehead": 0.6, "forehead_left": 0.6, "forehead_right": 0.6},
}


def folds() -> np.ndarray:
    """Depth that each emotion adds to each zone of wrinkles, float32 (K, zones)."""
    zones = list(STRENGTH)
    out = np.zeros((len(EMOTIONS), len(zones)), np.float32)
    for row, name in enumerate(EMOTIONS):
        for zone, depth in FOLDS[name].items():
            out[row, zones.index(zone)] = depth
    return out


class FeelingRenderer(OfflineRenderer):
    """An offline renderer that can be told what the person feels; pictures as `OfflineRenderer`."""

    def __init__(self, scene: Scene, size: int = 512, scale: int = SCALE):
        super().__init__(scene, size, scale=scale)
        self._folds = folds()
        self._felt = np.zeros(len(EMOTIONS), np.float32)

    def feel(self, felt: np.ndarray) -> None:
        """Weight times intensity of each emotion, (K,), from the next picture on. ConfigError: other numbers."""
        if np.shape(felt) != (len(EMOTIONS),) or not (np.asarray(felt) >= 0).all() or np.sum(felt) > 1 + 1e-4:
            raise ConfigError(f"what is felt are {len(EMOTIONS)} numbers of 0 to 1 that sum to at most 1, not {felt}")
        self._felt = np.asarray(felt, np.float32)

    def creases(self, motion: np.ndarray) -> np.ndarray:
        looks = self.looks
        depth = np.maximum(looks.gain @ motion[: looks.gain.shape[1]], 0) + looks.rest + self._felt @ self._folds
        return self.wardrobe.wrinkles @ np.minimum(depth, MOST)
