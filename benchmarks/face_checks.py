"""Do strangers see a face in ours? Independent models over the sheets, each in an environment of its own.

    visema sheet SHEETS --identity all

    python3.11 -m venv ENV && ENV/bin/pip install mediapipe==0.10.14 'numpy<2' pillow
    ENV/bin/python benchmarks/landmarks.py SHEETS landmarks.json

    (in an empty folder)  npm install @vladmandic/face-api@1.7.15 @tensorflow/tfjs @tensorflow/tfjs-backend-wasm pngjs
    (in that folder)      node .../benchmarks/expressions.cjs SHEETS expressions.json

    python -m benchmarks.face_checks landmarks.json [expressions.json] --out benchmarks/results/face_checks.json
    python -m benchmarks.face_checks - expressions.json        # without landmarks, say of performers.look

These are signals, not judges: the classifier was trained on photographs and calls closed smiles neutral.
"""

import argparse
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

Rows = list[dict[str, Any]]
WORDS = {"joy": "happy", "smile": "happy", "sadness": "sad", "anger": "angry", "fear": "fearful",
         "surprise": "surprised", "disgust": "disgusted", "neutral": "neutral", "happy": "happy", "sad": "sad",
         "angry": "angry", "surprised": "surprised", "disgusted": "disgusted"}  # fmt: skip


def check_landmarks(rows: Rows) -> dict[str, Any]:
    """Share of faces found up to 45 degrees, and per person whether mouth, blink and smile are seen as such."""
    missed = [row["file"] for row in rows if abs(row["yaw"]) <= 45 and not row["found"]]
    people = {}
    for name in dict.fromkeys(row["identity"] for row in rows):
        own = [row for row in rows if row["identity"] == name and row["yaw"] == 0 and row["found"]]
        at = {(row["sheet"], row["expression"]): row for row in own}
        rest, smile = at["emotions", "neutral"], at["emotions", "smile"]
        mouth = [row["aperture"] for row in own if row["sheet"] == "opening"]
        shut = at["emotions", "blink"]["eyes"] / rest["eyes"]
        people[name] = {
            "aperture": mouth, "aperture_monotone": all(a < b for a, b in pairwise(mouth)),
            "blink_eyes": round(shut, 3), "blink_seen": shut < 0.5,
            "smile_width": round(smile["width"] / rest["width"], 3),
            "smile_lift": round(smile["lift"] - rest["lift"], 3),
            "smile_seen": smile["width"] > 1.04 * rest["width"] and smile["lift"] > rest["lift"],
            "least_score": min(row["score"] for row in rows if row["identity"] == name),
        }  # fmt: skip
    found = 1 - len(missed) / len(rows)
    return {"pictures": len(rows), "found": round(found, 4), "missed": missed, "people": people}


def check_expressions(rows: Rows) -> dict[str, Any]:
    """Share of pictures whose emotion is the classifier's first (or second) word, over all and by emotion."""
    by: dict[str, dict[str, Any]] = {}
    for row in rows:
        if row["expression"] in WORDS:
            words = [word for word, _ in row["told"]]
            entry = by.setdefault(row["expression"], {"pictures": 0, "first": 0, "first_two": 0, "told": {}})
            entry["pictures"] += 1
            entry["first"] += words[:1] == [WORDS[row["expression"]]]
            entry["first_two"] += WORDS[row["expression"]] in words
            first = words[0] if words else "no face"
            entry["told"][first] = entry["told"].get(first, 0) + 1
    count = sum(entry["pictures"] for entry in by.values())
    return {
        "pictures": count, "first": round(sum(e["first"] for e in by.values()) / count, 3),
        "first_two": round(sum(e["first_two"] for e in by.values()) / count, 3), "by_emotion": by,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("landmarks", type=Path)
    parser.add_argument("expressions", type=Path, nargs="?")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    report: dict[str, Any] = {}
    if str(args.landmarks) != "-":
        report["landmarks"] = check_landmarks(json.loads(args.landmarks.read_text()))
        report["landmarks"]["model"] = "mediapipe 0.10.14 face mesh"
    if args.expressions:
        report["expressions"] = check_expressions(json.loads(args.expressions.read_text()))
        report["expressions"]["model"] = "@vladmandic/face-api 1.7.15"
    text = json.dumps(report, indent=1)
    print(text)
    if args.out:
        args.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
