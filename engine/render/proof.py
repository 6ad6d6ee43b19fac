"""Proof by eye: contact sheets of persons, visemes, emotions and angles, and every single picture for detectors.

    OUT/visemes.png, emotions.png, angles.png, opening.png      persons down, expressions across
    OUT/eyes.png, mouths.png                                    close-ups, drawn from near
    OUT/pictures/*.png, OUT/sheet.json                          each picture of a whole face, and one row about it
"""

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from engine.errors import EngineError
from engine.motion import layout
from engine.render.face_model import FaceModel
from engine.render.poses import EMOTIONS, VISEMES, pose
from engine.render.qualities import make_renderer
from engine.render.scene import Scene
from engine.render.sheet import label, tile, write_png

YAWS = (-45, -30, -15, 0, 15, 30, 45)
OPENINGS = (0.0, 0.15, 0.30, 0.45)
CELL = 288  # pixels of a picture on a sheet, at most
EYES_M, MOUTH_M = 0.115, 0.085  # what the height of a close-up spans


@dataclass(frozen=True, slots=True)
class Shot:
    """One picture to take: the sheet it stands on, what it shows, the head's turn in degrees, the motion (M,)."""

    sheet: str
    expression: str
    yaw: int
    motion: np.ndarray


def whole_faces() -> Iterator[Shot]:
    """All shots of a whole face."""
    for name in VISEMES:
        yield Shot("visemes", name, 0, pose(name))
    for name in EMOTIONS:
        yield Shot("emotions", name, 0, pose(name))
    for name in ("smile", "blink"):
        yield Shot("emotions", name, 0, pose(name))
    for yaw in YAWS:
        yield Shot("angles", "neutral", yaw, layout.vector(headYaw=math.radians(yaw)))
    for opening in OPENINGS:
        yield Shot("opening", f"jawOpen{opening:.2f}", 0, layout.vector(jawOpen=opening))


def close_ups() -> Iterator[Shot]:
    """Shots of eyes and mouths."""
    aside = layout.vector(gazeYawLeft=0.35, gazeYawRight=0.35)
    down = layout.vector(gazePitchLeft=-0.3, gazePitchRight=-0.3)
    for name, motion in (("neutral", pose("neutral")), ("aside", aside), ("down", down), ("joy", pose("joy")),
                         ("half shut", 0.5 * pose("blink")), ("blink", pose("blink"))):  # fmt: skip
        yield Shot("eyes", name, 0, motion)
    for name in ("neutral", "MBP", "FV", "TH", "EE", "AA", "OO", "smile"):
        yield Shot("mouths", name, 0, pose(name))


def write_proof(
    scenes: dict[str, Scene], out: Path, size: int, quality: str, told: Callable[[str], None] = lambda text: None
) -> list[dict]:
    """Draw everything for the scenes, by person; returns the rows of sheet.json. told: hears of each person begun.

    EngineError: the folder cannot be written.
    """
    rows: list[dict] = []
    cells: dict[str, list[np.ndarray]] = {}
    try:
        (out / "pictures").mkdir(parents=True, exist_ok=True)
        for name, scene in scenes.items():
            told(name)
            for shot, picture in _take(scene, size, quality, list(whole_faces())):
                cells.setdefault(shot.sheet, []).append(_cell(picture, name, shot))
                file = f"pictures/{name.replace(':', '')}_{shot.sheet}_{shot.expression}_{shot.yaw:+03d}.png"
                write_png(out / file, picture)
                row = {"file": file, "identity": name, "expression": shot.expression, "yaw": shot.yaw}
                rows.append(row | {"sheet": shot.sheet})
            for kind in ("eyes", "mouths"):
                shots = [shot for shot in close_ups() if shot.sheet == kind]
                for shot, picture in _take(_near(scene, kind), size, quality, shots):
                    cells.setdefault(kind, []).append(_cell(picture, name, shot))
        for sheet, pictures in cells.items():
            write_png(out / f"{sheet}.png", tile(pictures, len(pictures) // len(scenes)))
        (out / "sheet.json").write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise EngineError(f"cannot write into {out}: {error.strerror}") from None
    return rows


def draw_people(scenes: dict[str, Scene], size: int, quality: str) -> np.ndarray:
    """Everybody at rest with their name, four in a row: uint8 (H, W, 3)."""
    rest = [Shot("", "", 0, pose("neutral"))]
    return tile([label(next(_take(scene, size, quality, rest))[1], name) for name, scene in scenes.items()])


def _take(scene: Scene, size: int, quality: str, shots: list[Shot]) -> Iterator[tuple[Shot, np.ndarray]]:
    renderer = make_renderer(scene, size, quality)
    state = renderer.init_state(1)
    for shot in shots:
        yield shot, renderer.step(state, torch.from_numpy(shot.motion)[None])[0].numpy().copy()


def _near(scene: Scene, kind: str) -> Scene:
    """The scene from near the eyes or the mouth of its person."""
    face, person = FaceModel.of(scene.person), scene.person
    motion = layout.vector(**person.rest)
    shape = person.shape if len(person.shape) else None
    if kind == "eyes":
        centre, height = face.eyes(motion, shape)[0].mean(0), EYES_M
    else:
        centre, height = face.vertices(motion, shape)[np.unique(face.lip_rings)].mean(0), MOUTH_M
    x, y, z = (float(value) for value in centre)
    return replace(scene, camera=replace(scene.camera, centre=(x, y, z), height_m=height))


def _cell(picture: np.ndarray, name: str, shot: Shot) -> np.ndarray:
    """The picture, made smaller for a sheet, labelled."""
    from PIL import Image

    side, size = min(CELL, len(picture)), len(picture)
    # Of a portrait the middle: shoulders and background need no room.
    near = shot.sheet in ("eyes", "mouths")
    crop = (0, 0, size, size) if near else (0.12 * size, 0.02 * size, 0.88 * size, 0.78 * size)
    small = np.asarray(Image.fromarray(picture).resize((side, side), Image.Resampling.LANCZOS, crop))
    turned = f" {shot.yaw:+d}" if shot.sheet == "angles" else ""
    return label(small, f"{name}: {shot.expression}{turned}")
