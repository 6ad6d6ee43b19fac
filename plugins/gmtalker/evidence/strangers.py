"""What an independent classifier of pictures says (`benchmarks/expressions.cjs`): streamed faces, and performed ones.

It was trained on photographs, knows seven of the eight emotions, and is a signal, not a judge.
"""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

import benchmarks
from benchmarks.evidence import Evidence
from benchmarks.face_checks import check_expressions
from engine.errors import DeviceError
from engine.motion import layout
from engine.motion.emotion import EMOTIONS
from engine.render.people import NAMES, person
from engine.render.qualities import make_renderer
from engine.render.scene import Scene as View
from engine.render.sheet import write_png
from plugins.gmtalker.evidence.scenes import Scene
from plugins.gmtalker.evidence.streaming import Actor, stream

SIZE = 384
UNKNOWN = "contempt"


def judge_pictures(
    evidence: Evidence, scenes: Sequence[Scene], actor: Actor, packages: Path, count: int
) -> None:
    """Its first word on one picture of each of `count` clips, rendered with its head in rest: streamed, performed.

    packages: the folder where its packages are installed, see benchmarks/face_checks.py. DeviceError: they are not.
    """
    node, script = shutil.which("node"), Path(benchmarks.__file__).with_name("expressions.cjs")
    if not node or not (packages / "node_modules/@vladmandic/face-api").is_dir():
        raise DeviceError(f"{packages}: no node, or no @vladmandic/face-api here; benchmarks/face_checks.py says how")
    chosen = [scene for scene in scenes if EMOTIONS[scene.emotion] != UNKNOWN][:count]
    shown = {"": stream(actor, [scene.line() for scene in chosen]), "_reference": [s.performed() for s in chosen]}
    heads = [make_renderer(View(person(name)), SIZE, "live") for name in NAMES[:2]]
    for end, motions in shown.items():
        with tempfile.TemporaryDirectory() as folder:
            rows = []
            for n, (scene, motion) in enumerate(zip(chosen, motions, strict=True)):
                face = motion[_apex(motion)].copy()
                face[layout.E :] = 0.0
                head = heads[n % len(heads)]
                picture = head.step(head.init_state(1), torch.from_numpy(face[None]))[0].numpy()
                write_png(Path(folder) / f"{n}.png", picture)
                rows.append({"file": f"{n}.png", "identity": NAMES[n % len(heads)], "yaw": 0, "sheet": "emotions",
                             "expression": EMOTIONS[scene.emotion]})  # fmt: skip
            (Path(folder) / "sheet.json").write_text(json.dumps(rows))
            told = Path(folder) / "told.json"
            done = subprocess.run(
                [node, str(script.resolve()), folder, str(told)], cwd=packages, capture_output=True, text=True
            )
            if done.returncode:
                raise DeviceError(f"the classifier failed: {done.stderr.strip()[-300:]}")
            found = check_expressions(json.loads(told.read_text()))
        evidence.add(f"picture_accuracy{end}", found["first"], found["pictures"])
        evidence.add(f"picture_accuracy_first_two{end}", found["first_two"], found["pictures"])
        by_emotion = {name: row["first"] / row["pictures"] for name, row in found["by_emotion"].items()}
        evidence.add(f"picture_accuracy{end}_by_emotion", by_emotion, found["pictures"])


def _apex(motion: np.ndarray) -> int:
    """The tick with open lids where the display is fullest, as `performers.look` chooses it."""
    display = motion[:, : layout.E].copy()
    display[:, [layout.INDEX[name] for name in ("jawOpen", "mouthFunnel", "mouthPucker", "mouthClose")]] = 0.0
    score = np.linalg.norm(display, axis=1) + 0.5 * motion[:, layout.INDEX["jawOpen"]]
    return int(np.argmax(np.where(motion[:, layout.BLINK].max(1) < 0.15, score, -1.0)))
