"""The buffers of a film in a folder: 00000.npz, 00001.npz, ... and buffers.json, which explains them.

Each npz holds one picture's (see `engine.render.buffers.Buffers` for what they mean; row 0 on top):

    masks    uint8 (H, W, 4): share of face, hair, shoulders, background; 255 is a whole pixel
    normals  int8 (H, W, 3): unit vectors times 127; x right in the picture, y up, z to the viewer; 0 without a surface
    uv       uint16 (H, W, 2): place on the texture times 65535
    depth    uint16 (H, W): tenths of a millimetre from `nearest_m` of buffers.json along the lens's axis; 0 nothing
"""

import json
import shutil
from dataclasses import asdict
from pathlib import Path

import numpy as np

from engine.errors import MediaError
from engine.frames import FPS, Moment
from engine.render.buffers import BufferReader, Buffers
from engine.render.scene import Scene

MASKS = ("face", "hair", "shoulders", "background")
DEPTH_STEP_M = 1e-4
SPAN_M = 6.5  # of depth that 16 bits can tell
KEPT_FREE_BYTES = 512 * 2**20  # a film of buffers must not fill a disk to the brim


class BufferSeries:
    """Writes the buffers of a film, one npz for each moment: about 0.9 MB at 512 x 512.

    MediaError: a folder that cannot be written, or a disk with less than 512 MiB free.
    """

    def __init__(self, folder: str | Path, scene: Scene, size: int):
        self.folder = Path(folder)
        self.pictures = 0
        self._reader = BufferReader(scene, size)
        self._nearest_m = max(scene.camera.distance_m - SPAN_M / 2, 0.0)
        about = {
            "fps": FPS, "size": size, "masks": MASKS, "nearest_m": self._nearest_m, "depth_step_m": DEPTH_STEP_M,
            "identity": scene.person.name, "camera": asdict(scene.camera),
        }  # fmt: skip
        self._room()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            (self.folder / "buffers.json").write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
        except OSError as error:
            raise MediaError(f"cannot write into {self.folder}: {error.strerror}") from None

    def write(self, moment: Moment) -> None:
        """The next picture's buffers, from its motion."""
        self._room()
        packed = pack(self._reader.read(moment.motion.vector), self._nearest_m)
        name = self.folder / f"{self.pictures:05d}.npz"
        try:
            np.savez_compressed(name, **packed)  # type: ignore[arg-type]
        except OSError as error:
            raise MediaError(f"cannot write {name}: {error.strerror}") from None
        self.pictures += 1

    def _room(self) -> None:
        place = next(path for path in (self.folder, *self.folder.absolute().parents) if path.is_dir())
        if shutil.disk_usage(place).free < KEPT_FREE_BYTES:
            raise MediaError(f"{self.folder}: less than {KEPT_FREE_BYTES >> 20} MiB are free on this disk")


def pack(buffers: Buffers, nearest_m: float) -> dict[str, np.ndarray]:
    """The arrays of one npz, as the head of this file says."""
    seen = buffers.depth > 0
    steps = np.round((buffers.depth - nearest_m) / DEPTH_STEP_M)
    return {
        "masks": np.round(buffers.masks * 255).astype(np.uint8),
        "normals": np.round(buffers.normals * 127).astype(np.int8),
        "uv": np.round(np.clip(buffers.uv, 0, 1) * 65535).astype(np.uint16),
        "depth": np.where(seen, np.clip(steps, 1, 65535), 0).astype(np.uint16),
    }
