"""The identity basis: principal components of how MakeHuman's sliders change the head."""

from pathlib import Path

import numpy as np

from engine.assets.head_build.source import read_target

DETAIL_SD, MACRO_SD = 0.20, 0.35  # spread of a slider among people: chosen so that 2 sd still look human
FOLDERS = ("head", "forehead", "eyebrows", "eyes", "nose", "mouth", "chin", "cheek", "ears", "neck")
OPPOSITES = (("incr", "decr"), ("up", "down"), ("in", "out"), ("forward", "backward"), ("opened-up", "closure"))
# Small changes to the average: ears that stand out less, a slimmer neck.
TASTE = {"ears/l-ear-wing-decr": 0.4, "ears/r-ear-wing-decr": 0.4, "neck/neck-scale-horiz-decr": 0.3}
MACRO = "mpfb2/targets/macrodetails"


def load_macro(data: Path, name: str) -> np.ndarray:
    """Offsets (N, 3) dm of a macro target."""
    return read_target(data / MACRO / f"{name}.target.gz")


def neutral_head(data: Path, base: np.ndarray) -> np.ndarray:
    """The average young face this project starts from: vertices (N, 3) dm."""
    people = {"caucasian": 0.5, "asian": 0.3, "african": 0.2}
    out = base + load_macro(data, "universal-female-young-averagemuscle-averageweight")
    for people_name, share in people.items():
        out = out + share * load_macro(data, f"{people_name}-female-young")
    for name, share in TASTE.items():
        out = out + share * read_target(data / "mpfb2/targets" / f"{name}.target.gz")
    return out


def directions(data: Path) -> tuple[list[str], np.ndarray]:
    """Names and symmetric offsets (D, N, 3) dm, each scaled to one standard deviation among people."""
    found: dict[str, np.ndarray] = {}
    for folder in FOLDERS:
        for path in sorted((data / "mpfb2/targets" / folder).glob("*.target.gz")):
            name = path.name.removesuffix(".target.gz")
            if name.startswith("r-"):
                continue  # the mirror of l-, added below: people here are symmetric
            value = read_target(path)
            if name.startswith("l-"):
                value = value + read_target(path.with_name("r-" + path.name[2:]))
            found[f"{folder}/{name}"] = value
    out: dict[str, np.ndarray] = {}
    for name, value in found.items():
        for plus, minus in OPPOSITES:
            if name.endswith("-" + plus) and name[: -len(plus)] + minus in found:
                out[name] = DETAIL_SD * 0.5 * (value - found[name[: -len(plus)] + minus])
                break
            if name.endswith("-" + minus) and name[: -len(minus)] + plus in found:
                break
        else:
            out[name] = DETAIL_SD * value
    body = "averagemuscle-averageweight"
    origins = ("caucasian", "asian", "african")
    young = {(p, g): load_macro(data, f"{p}-{g}-young") for p in origins for g in ("female", "male")}
    mean = sum(young.values()) / 6
    out["macro/gender"] = MACRO_SD * (
        load_macro(data, f"universal-male-young-{body}")
        - load_macro(data, f"universal-female-young-{body}")
        + sum(v * (1 if g == "male" else -1) / 3 for (_, g), v in young.items())
    )
    for people in origins:
        out[f"macro/{people}"] = MACRO_SD * (0.5 * (young[people, "female"] + young[people, "male"]) - mean)
    for gender in ("female", "male"):
        out[f"macro/age-{gender}"] = (
            MACRO_SD
            * 0.5
            * (
                load_macro(data, f"universal-{gender}-old-{body}")
                - load_macro(data, f"universal-{gender}-young-{body}")
                + load_macro(data, f"caucasian-{gender}-old")
                - young["caucasian", gender]
            )
        )
        out[f"macro/weight-{gender}"] = (
            MACRO_SD
            * 0.5
            * (
                load_macro(data, f"universal-{gender}-young-averagemuscle-maxweight")
                - load_macro(data, f"universal-{gender}-young-averagemuscle-minweight")
            )
        )
    return list(out), np.stack(list(out.values()))


def remove_rigid(offsets: np.ndarray, vertices: np.ndarray, skull: np.ndarray, follow: np.ndarray) -> np.ndarray:
    """Take the rigid motion of the skull vertices out of each direction, then fade it towards the shoulders.

    offsets (D, N, 3), vertices (N, 3), skull int indices, follow (N,) 1 on the head .. 0 at the shoulders.
    Rotation is linearised: least squares of t + w x (v - c) over the skull.
    """
    centre = vertices[skull].mean(0)

    def design(points):
        x, y, z = (points - centre).T
        zero, one = np.zeros_like(x), np.ones_like(x)
        rows = [[one, zero, zero, zero, z, -y], [zero, one, zero, -z, zero, x], [zero, zero, one, y, -x, zero]]
        return np.stack([np.stack(r, -1) for r in rows], 1)  # (N, 3, 6)

    fit, everywhere = design(vertices[skull]), design(vertices)
    pseudo = np.linalg.pinv(fit.reshape(-1, 6))
    motion = offsets[:, skull].reshape(len(offsets), -1) @ pseudo.T
    rigid = np.einsum("nij,dj->dni", everywhere, motion)
    return (offsets - rigid) * follow[None, :, None]


def principal(offsets: np.ndarray, count: int) -> tuple[np.ndarray, float]:
    """(count, N, 3) components scaled to one standard deviation, and the share of energy they hold.

    If every slider is drawn from N(0, sd), coefficients of these components are N(0, 1).
    """
    flat = offsets.reshape(len(offsets), -1)
    gram = flat @ flat.T
    energy, vectors = np.linalg.eigh(gram)
    order = np.argsort(energy)[::-1][:count]
    parts = vectors[:, order].T @ flat
    fixed = np.random.default_rng(0).standard_normal(parts.shape[1])
    parts *= np.sign(parts @ fixed)[:, None]  # the sign of an eigenvector is arbitrary: fix it
    return parts.reshape(count, *offsets.shape[1:]), float(energy[order].sum() / energy.sum())


def add_people(basis: np.ndarray, people: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The basis (K, N, 3) with what it lacks to hold the people's offsets (P, N, 3), and their coefficients (P, K + P).

    The added rows are scaled so that the people's own coefficients spread like N(0, 1).
    """
    flat, wanted = basis.reshape(len(basis), -1), people.reshape(len(people), -1)
    held = np.linalg.lstsq(flat.T, wanted.T, rcond=None)[0].T
    more, _ = principal((wanted - held @ flat).reshape(people.shape) / np.sqrt(len(people)), len(people))
    rest = np.linalg.lstsq(more.reshape(len(more), -1).T, (wanted - held @ flat).T, rcond=None)[0].T
    return np.concatenate([basis, more]), np.concatenate([held, rest], 1)
