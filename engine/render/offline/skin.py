"""Skin under the offline light: fine relief in the normals, scattering below the surface, colour, shine.

Scattering is the sum of Gaussians that d'Eon and Luebke (GPU Gems 3, 2007, table 14-1) fitted to three-layer skin,
applied to the arriving light along rows and then columns of the big picture.
"""

import math

import numpy as np

from engine.render.kernel import kernel
from engine.render.relief import SLOPE
from engine.render.shading import smooth
from engine.render.texels import sample4

_F = np.float32
VARIANCE_MM2 = np.array([0.0064, 0.0484, 0.187, 0.567, 1.99, 7.41])
WEIGHT = np.array([[0.233, 0.455, 0.649], [0.100, 0.336, 0.344], [0.118, 0.198, 0.0], [0.113, 0.007, 0.007],
                   [0.358, 0.004, 0.0], [0.078, 0.0, 0.0]])  # fmt: skip
REACH_MM = 5.0
PORES = _F(0.7)  # of the slope that the live renderer shows: shine here is sharper
TAPS = 15  # to each side
EDGE_M = _F(0.004)  # light does not scatter between surfaces further apart in depth


def profile(pixels_per_mm: float) -> tuple[np.ndarray, np.ndarray]:
    """Taps of the scattering: steps int64 (n,) in pixels and weights float32 (n, 3), close together in the middle."""
    reach = max(REACH_MM * pixels_per_mm, 1.0)
    steps = np.unique(np.round(np.sign(x := np.linspace(-1, 1, 2 * TAPS + 1)) * x**2 * reach).astype(np.int64))
    edges = np.concatenate([[steps[0] - 0.5], (steps[1:] + steps[:-1]) / 2, [steps[-1] + 0.5]]) / pixels_per_mm
    sigma = np.sqrt(2 * VARIANCE_MM2)
    below = np.array([[0.5 * (1 + math.erf(e / s)) for s in sigma] for e in edges])
    weight = np.diff(below, axis=0) @ WEIGHT
    return steps, (weight / weight.sum(0)).astype(np.float32)


@kernel
def scatter(light, depth, soft, steps, weight, down, out):
    """Blur light float32 (R, C, 3) along columns (down) or rows where soft uint8 (R, C) is 1; depth in metres."""
    rows, columns = soft.shape
    for row in range(rows):
        for col in range(columns):
            if soft[row, col] == 0:
                continue
            z = depth[row, col]
            r = g = b = wr = wg = wb = _F(0.0)
            for k in range(len(steps)):
                y, x = (row + steps[k], col) if down else (row, col + steps[k])
                if y < 0 or x < 0 or y >= rows or x >= columns or soft[y, x] == 0:
                    continue
                near = _F(1.0) - min(abs(depth[y, x] - z) / EDGE_M, _F(1.0))
                r += weight[k, 0] * near * light[y, x, 0]
                g += weight[k, 1] * near * light[y, x, 1]
                b += weight[k, 2] * near * light[y, x, 2]
                wr += weight[k, 0] * near
                wg += weight[k, 1] * near
                wb += weight[k, 2] * near
            out[row, col, 0] = r / (wr + _F(1e-6))
            out[row, col, 1] = g / (wg + _F(1e-6))
            out[row, col, 2] = b / (wb + _F(1e-6))


@kernel
def surface(normal, field, skin, pores, wrinkles, lip_tint, albedo, rough, gloss, dent):
    """Bend normals by the painted relief, in place, and look the colour up.

    field float32 (n, 7): u, v, lips, -, -, shade of the lash roots, how far wrinkles show. Out: albedo float32
    (n, 3) linear, rough float32 (n, 2), gloss float32 (n,) of the shine, dent float32 (n,) 0 .. 1 deep in a groove.
    """
    for k in range(len(normal)):
        u, v = field[k, 0], field[k, 1]
        r, g, b, shine = sample4(skin, u, v)
        dt, db, pit, _ = sample4(pores, u, v)
        dt, db = (dt - _F(128 / 255)) * PORES, (db - _F(128 / 255)) * PORES
        hollow, crease = _F(1.0) - pit, field[k, 6]
        if crease > _F(0.01):
            wt, wb, groove, _ = sample4(wrinkles, u, v)
            dt, db = dt + (wt - _F(128 / 255)) * crease, db + (wb - _F(128 / 255)) * crease
            hollow += (_F(1.0) - groove) * crease
        lip = smooth(_F(0.25), _F(0.75), field[k, 2])
        albedo[k, 0] = r * r + (lip_tint[0] - r * r) * lip
        albedo[k, 1] = g * g + (lip_tint[1] - g * g) * lip
        albedo[k, 2] = b * b + (lip_tint[2] - b * b) * lip
        nx, ny, nz = normal[k, 0], normal[k, 1], normal[k, 2]
        level = math.sqrt(nx * nx + nz * nz + _F(1e-6))
        tx, tz = nz / level, -nx / level
        bx, by, bz = ny * tz, nz * tx - nx * tz, -ny * tx
        st, sb = dt * _F(2 * SLOPE), db * _F(2 * SLOPE)
        nx, ny, nz = nx - st * tx - sb * bx, ny - sb * by, nz - st * tz - sb * bz
        size = _F(1.0) / math.sqrt(nx * nx + ny * ny + nz * nz)
        normal[k, 0], normal[k, 1], normal[k, 2] = nx * size, ny * size, nz * size
        rough[k, 0] = _F(0.62) - _F(0.18) * shine - _F(0.10) * lip
        rough[k, 1] = _F(0.42) - _F(0.10) * shine - _F(0.08) * lip
        gloss[k] = (_F(0.22) + _F(0.50) * shine + _F(0.40) * lip) * (_F(1.0) - _F(0.7) * min(hollow, _F(1.0)))
        dent[k] = min(hollow, _F(1.0))
