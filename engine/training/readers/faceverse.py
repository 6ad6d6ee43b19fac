"""FaceVerse model files (Wang et al. 2022): mean, bases and names of its blend shapes, versions 2 and 3.

The files are numpy arrays that hold one pickled dictionary. Pickles can run code, so only numpy's own arrays and plain
containers are let through here; anything else is refused. Version 3 stores centimetres with y and z turned round.
"""

import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from engine.errors import WeightsError
from engine.motion import layout

NEEDED = ("meanshape", "idBase", "exBase", "tri")
_HARMLESS = {
    (module, name)
    for core in ("numpy.core", "numpy._core")
    for module in ("numpy", f"{core}.multiarray", f"{core}.numeric")
    for name in ("_reconstruct", "scalar", "ndarray", "dtype", "_frombuffer")
} | {("_codecs", "encode"), ("builtins", "dict"), ("builtins", "list"), ("collections", "OrderedDict")}


@dataclass(frozen=True)
class FaceVerse:
    """S = mean + shape gamma + expression beta (GMTalker, eq. 1). mean float32 (V, 3); shape (150, V, 3); expression
    (X, V, 3); triangles int64 (F, 3); names of the first expressions, those of ARKit (52 of them), or none."""

    mean: np.ndarray
    shape: np.ndarray
    expression: np.ndarray
    triangles: np.ndarray
    names: tuple[str, ...]

    def coefficients(self, values: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
        """Fitted expression (T, X) -> those that our layout knows (T, N) and their names."""
        known = [i for i, name in enumerate(self.names) if name in layout.EXPRESSION]
        return np.ascontiguousarray(values[:, known], np.float32), tuple(self.names[i] for i in known)

    def vertices(self, gamma: np.ndarray, beta: np.ndarray) -> np.ndarray:
        """Vertices (V, 3) of coefficients gamma (150,) and beta (X,)."""
        return self.mean + np.tensordot(gamma, self.shape, 1) + np.tensordot(beta, self.expression, 1)


def read_faceverse(path: Path | str) -> FaceVerse:
    """A model file such as faceverse_simple_v2.npy or faceverse_v3_1.npy. WeightsError: it is none."""
    table = _read(Path(path))
    missing = [name for name in NEEDED if name not in table]
    if missing:
        raise WeightsError(f"{path}: no FaceVerse model, {missing[0]} is missing")
    mean = np.asarray(table["meanshape"], np.float32).reshape(-1, 3)
    bases = []
    for name in ("idBase", "exBase"):
        flat = np.asarray(table[name], np.float32)
        flat = flat.reshape(-1, flat.shape[-1])
        if len(flat) != mean.size:
            raise WeightsError(f"{path}: {name} has {len(flat)} rows for {len(mean)} vertices")
        bases.append(flat.T.reshape(-1, len(mean), 3))
    triangles = np.asarray(table["tri"], np.int64).reshape(-1, 3)
    if triangles.size and not 0 <= triangles.min() <= triangles.max() < len(mean):
        raise WeightsError(f"{path}: triangles name vertices that there are not")
    if "ver_inds" in table:  # version 3, with eyeballs
        turn = np.array([0.01, -0.01, -0.01], np.float32)
        mean, bases, triangles = mean * turn, [basis * turn for basis in bases], triangles[:, [0, 2, 1]]
    names = next((table[key] for key in ("exp_name_list_52", "exp_name_list") if key in table), ())
    return FaceVerse(mean, bases[0], bases[1], triangles, tuple(_arkit(str(name)) for name in names))


def _arkit(name: str) -> str:
    """ARKit's spelling: eyeBlink_L and EyeBlinkLeft -> eyeBlinkLeft."""
    for short, side in (("_L", "Left"), ("_R", "Right")):
        if name.endswith(short):
            name = name.removesuffix(short) + side
    return name[:1].lower() + name[1:]


class _Careful(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _HARMLESS:
            raise pickle.UnpicklingError(f"it wants {module}.{name}, which no model file needs")
        return super().find_class(module, name)


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            version = np.lib.format.read_magic(file)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            _, _, kind = read(file)
            if kind != np.dtype(object):
                raise ValueError("it holds numbers, no dictionary")
            table = _Careful(file).load()
    except (OSError, ValueError, EOFError, pickle.UnpicklingError) as error:
        raise WeightsError(f"{path}: no FaceVerse model file ({error})") from None
    table = table.item() if isinstance(table, np.ndarray) and table.shape == () else table
    if not isinstance(table, dict):
        raise WeightsError(f"{path}: no FaceVerse model file (it holds a {type(table).__name__})")
    return table
