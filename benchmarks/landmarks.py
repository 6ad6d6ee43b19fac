"""Where an independent model sees the parts of the faces of a sheet. Runs without Visema; see `face_checks.py`.

python benchmarks/landmarks.py SHEET_DIR OUT.json

Needs mediapipe 0.10.14, the last whose wheel carries its models. Lengths are in units of the distance between
the outer corners of the eyes.
"""

import json
import sys
from pathlib import Path

import numpy as np

EYE_CORNERS = (33, 263)
LIPS_INNER, MOUTH_CORNERS = (13, 14), (61, 291)
LIDS = ((159, 145, 33, 133), (386, 374, 362, 263))  # upper, lower, one corner, the other


def figures(points: np.ndarray) -> dict[str, float]:
    """points float (478, 3), pixels, y down: mouth aperture and width, lift of the corners, opening of the eyes."""

    def far(a: int, b: int) -> float:
        return float(np.linalg.norm(points[a] - points[b]))

    unit = far(*EYE_CORNERS)
    middle = points[list(LIPS_INNER)].mean(0)
    down = points[152] - points[10]  # forehead to chin: turned heads have another down
    lift = (middle - points[list(MOUTH_CORNERS)].mean(0)) @ down / np.linalg.norm(down)
    eyes = [far(upper, lower) / far(one, other) for upper, lower, one, other in LIDS]
    return {
        "aperture": round(far(*LIPS_INNER) / unit, 4), "width": round(far(*MOUTH_CORNERS) / unit, 4),
        "lift": round(float(lift) / unit, 4), "eyes": round(float(np.mean(eyes)), 4),
    }  # fmt: skip


def main() -> None:
    import mediapipe as mp
    from PIL import Image

    folder, target = Path(sys.argv[1]), Path(sys.argv[2])
    rows = json.loads((folder / "sheet.json").read_text())
    mesh = mp.solutions.face_mesh.FaceMesh(static_image_mode=True, refine_landmarks=True, min_detection_confidence=0.5)
    detector = mp.solutions.face_detection.FaceDetection(model_selection=0, min_detection_confidence=0.3)
    for row in rows:
        with Image.open(folder / row["file"]) as file:
            picture = np.array(file.convert("RGB"))
        seen = mesh.process(picture).multi_face_landmarks
        row["found"] = bool(seen)
        detections = detector.process(picture).detections
        row["score"] = round(detections[0].score[0], 3) if detections else 0.0
        if seen:
            size = [picture.shape[1], picture.shape[0], picture.shape[1]]
            row |= figures(np.array([[p.x, p.y, p.z] for p in seen[0].landmark]) * size)
    target.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
