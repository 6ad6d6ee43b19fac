"""A folder of pairs as squares around the face, ready for batches: cut out once, then read as they are needed."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from engine.errors import MediaError
from engine.motion.emotion import NEUTRAL
from plugins.gmtalker.generator.pairs import read_rows
from plugins.gmtalker.generator.place import corner, rim
from plugins.gmtalker.generator.sizes import GeneratorSize
from plugins.gmtalker.mixture import component_weights

LEAST = 0.12  # weight of what is not face: it hardly shows, but should not be wild
CHANNELS = 8  # plain 3, shoulders, portrait 3, face


class Batch(NamedTuple):
    """given (B, 4, Q, Q) and wanted (B, 3, Q, Q): colours -1 to 1, shoulders 0 to 1; face (B, 1, Q, Q) 0 to 1; weight
    (B, 1, Q, Q) of every pixel; shares (B, K) of the emotions."""

    given: torch.Tensor
    wanted: torch.Tensor
    face: torch.Tensor
    weight: torch.Tensor
    shares: torch.Tensor


class Pairs:
    """Pairs of one split. Raises MediaError: no pairs, none of that split, another picture size, a missing picture."""

    def __init__(self, folder: Path, run: Path, size: GeneratorSize, split: str):
        rows = [row for row in read_rows(folder) if row["split"] == split]
        if not rows:
            raise MediaError(f"{folder}: no pairs of the split {split!r} yet; render more")
        shares = [torch.tensor(row["weights"]) for row in rows]
        intensity = torch.tensor([row["intensity"] for row in rows])
        self.shares = component_weights(torch.stack(shares), intensity, NEUTRAL)
        self._rim = rim(size.square, size.picture)
        self._squares = _cut(folder, run / f"{split}-{len(rows)}-{size.square}.u8", rows, size)

    def __len__(self) -> int:
        return len(self.shares)

    def batch(self, rows: torch.Tensor) -> Batch:
        """The pairs of rows int64 (B,)."""
        found = torch.from_numpy(np.ascontiguousarray(self._squares[rows.numpy()])).permute(0, 3, 1, 2).float() / 255
        given = torch.cat((2 * found[:, :3] - 1, found[:, 3:4]), 1)
        face = found[:, 7:8]
        return Batch(given, 2 * found[:, 4:7] - 1, face, LEAST + (1 - LEAST) * face * self._rim, self.shares[rows])


def _cut(folder: Path, path: Path, rows: list[dict], size: GeneratorSize) -> np.ndarray:
    """Squares uint8 (N, Q, Q, 8) in a file that is mapped into memory."""
    shape = (len(rows), size.square, size.square, CHANNELS)
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        squares = np.memmap(partial, np.uint8, "w+", shape=shape)
        for k, row in enumerate(rows):
            top, left = corner(tuple(row["middle"]), size.picture, size.square)
            at = slice(top, top + size.square), slice(left, left + size.square)
            plain, masks, portrait = (_read(folder, row["name"], part, size.picture)[at] for part in
                                      ("plain", "masks", "portrait"))  # fmt: skip
            squares[k] = np.concatenate((plain, masks[..., 2:], portrait, masks[..., :1]), -1)
        squares.flush()
        partial.replace(path)
    return np.memmap(path, np.uint8, "r", shape=shape)


def _read(folder: Path, name: str, part: str, size: int) -> np.ndarray:
    from PIL import Image

    path = folder / f"{name}_{part}.png"
    try:
        with Image.open(path) as file:
            picture = np.asarray(file.convert("RGB"))
    except (OSError, ValueError) as error:
        raise MediaError(f"cannot read {path}: {error}") from None
    if picture.shape[:2] != (size, size):
        raise MediaError(f"{path} is {picture.shape[1]} x {picture.shape[0]}; this generator is for {size} x {size}")
    return picture
