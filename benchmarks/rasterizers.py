"""Do the rasterizers see the same? The share of pixels in which they name the same triangle, over people and poses.

python -m benchmarks.rasterizers [--size 512] [--identities anna omar] [--out F.json]

numba against the exact reference; with an NVIDIA GPU and nvdiffrast installed, numba against that too.
"""

import argparse
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import torch

from engine.device import describe_device
from engine.motion import layout
from engine.render.face_model import FaceModel
from engine.render.people import NAMES, person
from engine.render.poses import pose
from engine.render.rasterizer import Rasterizer
from engine.render.rasterizers import make_rasterizer
from engine.render.scene import Scene
from engine.render.wardrobe import dress

POSES = {
    "neutral": pose("neutral"), "AA": pose("AA"), "joy": pose("joy"), "blink": pose("blink"),
    "turned": layout.vector(headYaw=math.radians(35), headPitch=math.radians(8)),
}  # fmt: skip


def mesh(name: str, motion: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    """A person's opaque triangles in clip space: float32 (V, 4), int32 (F, 3)."""
    scene = Scene(person(name))
    face = FaceModel.of(scene.person)
    points = face.vertices(motion + layout.vector(**scene.person.rest), scene.person.shape)
    clip = np.concatenate([points, np.ones((len(points), 1), np.float32)], 1) @ scene.camera.clip_matrix((1, 1)).T
    return torch.from_numpy(np.ascontiguousarray(clip, np.float32)), torch.from_numpy(dress(face).solid)


def agreement(mine: torch.Tensor, other: torch.Tensor) -> dict[str, float]:
    """Shares of the same triangle, of all pixels and of those where either sees one; rast (H, W, 4)."""
    same = mine[..., 3] == other[..., 3]
    seen = (mine[..., 3] > 0) | (other[..., 3] > 0)
    return {"all": float(same.float().mean()), "covered": float(same[seen].float().mean())}


def compare(names: list[str], size: int, other: Rasterizer, device: str = "cpu") -> dict[str, Any]:
    """Shares for every person and pose, and the least of them."""
    numba = make_rasterizer("numba")
    rows = {}
    for name in names:
        for word, motion in POSES.items():
            clip, triangles = mesh(name, motion)
            mine = numba.rasterize(clip, triangles, (size, size))
            theirs = other.rasterize(clip.to(device), triangles.to(device), (size, size)).cpu()
            rows[f"{name}, {word}"] = {key: round(share, 6) for key, share in agreement(mine, theirs).items()}
    least = {key: min(row[key] for row in rows.values()) for key in ("all", "covered")}
    return {"size": size, "pictures": len(rows), "least": least, "rows": rows}


def measure(names: list[str], size: int) -> dict[str, Any]:
    """numba against all that this machine has."""
    report: dict[str, Any] = {"device": describe_device()}
    report["numba against reference"] = compare(names, size, make_rasterizer("reference"))
    if torch.cuda.is_available():
        report["gpu"] = torch.cuda.get_device_name()
        report["numba against nvdiffrast"] = compare(names, size, make_rasterizer("nvdiffrast"), "cuda")
    return report


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--identities", nargs="+", default=list(NAMES))
    parser.add_argument("--out", type=Path, help="write the shares as JSON")
    args = parser.parse_args()
    report = measure(args.identities, args.size)
    text = json.dumps(report, indent=1)
    print(text)
    if args.out:
        args.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
