"""Hair as fibres: light that gets through the others, two lobes of shine, thin lines in the big picture.

How much of a lamp reaches a fibre is marched through a coarse grid of how dense the hair is. Colour is the volume's
own (`hair_paint.look`) times the light that scatters among fibres, and Marschner's R and TRT lobes (2003) as
Gaussians round the cone of mirror directions.
"""

import math
from typing import TYPE_CHECKING

import numpy as np

from engine.render import hair_paint
from engine.render.face_model import ASSET, FaceModel, _styles
from engine.render.kernel import kernel
from engine.render.lighting import FILL, FILL_COLOUR, GROUND, KEY, KEY_COLOUR, RIM, RIM_COLOUR, SKY
from engine.render.offline import fibres
from engine.render.offline.irradiance import PIXELS, SPAN_M, cast, seen
from engine.render.scene import Person
from engine.render.shadow import frame
from engine.render.wearables import pick

if TYPE_CHECKING:
    from engine.render.offline.renderer import OfflineRenderer

CELL_M, CELLS = 0.004, 160
STEPS, STEP_M = 14, 0.004
ABSORB = 340.0  # optical depth per metre in the densest cell
_F = np.float32
HEAD, BROW, LASH = range(3)


class Strands:
    """All fibres of a person; on_hull: whether the sheets below are only the hair's ground."""

    def __init__(self, face: FaceModel, person: Person):
        rng = np.random.default_rng(7)
        styles = [pick(_styles(ASSET, stem), name, "hair") for stem, name in
                  (("hair", person.hair.style), ("beard", person.hair.beard))]  # fmt: skip
        self._guided = [fibres.guided(s, rng) for s in styles if s is not None and "strands" in s]
        self._grown = [(HEAD, fibres.sheets(face, rng)), (HEAD, fibres.undergrowth(face, rng)),
                       (BROW, fibres.brows(face, person, rng)),
                       (LASH, fibres.lashes(face, rng))]  # fmt: skip
        self.on_hull = len(self._grown[0][1].corners) > 0
        kinds = [np.full(len(g.root), HEAD, np.uint8) for g in self._guided]
        kinds += [np.full(len(g.corners), kind, np.uint8) for kind, g in self._grown]
        self.kinds = np.concatenate(kinds)
        n = len(self.kinds)
        self._colour, self._second, self._first = _pigment(person, self.kinds, rng, n)
        self._shift = rng.normal(0, 0.05, n).astype(np.float32)

    def draw(self, coarse: np.ndarray, turned: np.ndarray, points: np.ndarray, solid: np.ndarray,
             to: "OfflineRenderer", near: np.ndarray, light: np.ndarray, covered: np.ndarray) -> None:  # fmt: skip
        """Draw the fibres over a big picture: near float32 (R, R), light float32 (R, R, 3), covered bool (R, R).

        coarse and points: the posed vertices of the face and of its finer mesh; solid int32 (n, 3) triangles of the
        latter that throw shadows.
        """
        lines = [fibres.pose_guided(g, coarse, turned) for g in self._guided]
        lines += [fibres.pose_grown(g, coarse) for _, g in self._grown]
        knots = np.concatenate(lines)
        if not len(knots):
            return
        lamps = to.looks.lamps
        low = np.median(knots.reshape(-1, 3), 0).astype(np.float32) - _F(CELL_M * CELLS / 2)
        density = np.zeros((CELLS, CELLS, CELLS), np.float32)
        _fill(knots, self.kinds, low, density)
        depth = np.empty((PIXELS, PIXELS), np.float32)
        shade = np.zeros(knots.shape, np.float32)
        lens = to.lens().astype(np.float32)
        centre = (np.array([0, 0.09, 0.0]) @ turned.T).astype(np.float32)
        for way, tint in ((KEY, KEY_COLOUR), (FILL, FILL_COLOUR), (RIM, RIM_COLOUR)):
            view = frame(lamps[way].astype(np.float64), PIXELS, SPAN_M)
            cast(points, solid, view, depth)
            _lit(knots, self.kinds, density, low, depth, view, lamps[tint], lens, centre, self._colour, self._second,
                 self._first, self._shift, shade)  # fmt: skip
        _skylight(knots, self.kinds, density, low, lamps[SKY], lamps[GROUND], centre, self._colour, shade)
        screen = to.project(knots.reshape(-1, 3)).reshape(knots.shape)
        _draw(screen, shade, self.kinds, near, light, covered)


def _pigment(person: Person, kinds: np.ndarray, rng: np.random.Generator, n: int):
    """Colour and tint of the second lobe (n, 3) and strength of the first (n,), hair by hair."""
    look = hair_paint.look(person.hair).astype(np.float64)
    tone = np.exp(rng.normal(0, 0.20, (n, 1)))
    grey = (rng.random((n, 1)) < look[7] * (0.5 + 0.6 * look[7])) & (kinds[:, None] == HEAD)
    colour = np.where(grey, look[8:11], look[:3]) * tone
    second = np.where(grey, np.sqrt(look[8:11]), look[3:6])
    colour[kinds == BROW] *= 0.45
    colour[kinds == LASH] = np.array([0.012, 0.009, 0.008])
    first = np.full(n, look[6])
    first[kinds != HEAD] *= 0.12
    second[kinds != HEAD] *= 0.30  # fine hairs that lie on the skin: their shine would make black brows grey
    f32 = np.float32
    return colour.astype(f32), second.astype(f32), first.astype(f32)


@kernel
def _fill(knots, kinds, low, density):
    """Length of hair per cell, scaled to 0..1 at 40 mm of hair (as drawn) per cell."""
    for n in range(len(knots)):
        if kinds[n] != 0:
            continue
        for k in range(1, knots.shape[1]):
            dx, dy = knots[n, k, 0] - knots[n, k - 1, 0], knots[n, k, 1] - knots[n, k - 1, 1]
            dz = knots[n, k, 2] - knots[n, k - 1, 2]
            length = math.sqrt(dx * dx + dy * dy + dz * dz)
            x, y = int((knots[n, k, 0] - low[0]) / _F(CELL_M)), int((knots[n, k, 1] - low[1]) / _F(CELL_M))
            z = int((knots[n, k, 2] - low[2]) / _F(CELL_M))
            if 0 <= x < CELLS and 0 <= y < CELLS and 0 <= z < CELLS:
                density[x, y, z] += length * _F(25.0)


@kernel
def _through(density, low, x, y, z, lx, ly, lz):
    """Optical depth of the hair from a point towards a light."""
    total = _F(0.0)
    for s in range(STEPS):
        t = (_F(s) + _F(0.9)) * _F(STEP_M)
        i = int((x + lx * t - low[0]) / _F(CELL_M))
        j = int((y + ly * t - low[1]) / _F(CELL_M))
        k = int((z + lz * t - low[2]) / _F(CELL_M))
        if 0 <= i < CELLS and 0 <= j < CELLS and 0 <= k < CELLS:
            total += min(density[i, j, k], _F(1.0))
    return total * _F(STEP_M * ABSORB)


@kernel
def _lit(knots, kinds, density, low, depth, frame, colour, lens, centre, own, second, first, shift, shade):
    """Add one lamp's light to shade float32 (n, KNOTS, 3)."""
    lx, ly, lz = frame[2, 0], frame[2, 1], frame[2, 2]
    last = knots.shape[1] - 1
    for n in range(len(knots)):
        for k in range(last + 1):
            a, b = max(k - 1, 0), min(k + 1, last)
            tx, ty = knots[n, b, 0] - knots[n, a, 0], knots[n, b, 1] - knots[n, a, 1]
            tz = knots[n, b, 2] - knots[n, a, 2]
            size = _F(1.0) / math.sqrt(tx * tx + ty * ty + tz * tz + _F(1e-14))
            tx, ty, tz = tx * size, ty * size, tz * size
            x, y, z = knots[n, k, 0], knots[n, k, 1], knots[n, k, 2]
            ahead = lx * x + ly * y + lz * z + frame[2, 3]
            col = frame[0, 0] * x + frame[0, 1] * y + frame[0, 2] * z + frame[0, 3]
            row = frame[1, 0] * x + frame[1, 1] * y + frame[1, 2] * z + frame[1, 3]
            passed = seen(depth, col, row, ahead + _F(0.009))
            if passed < _F(0.004):
                continue
            thick = _through(density, low, x, y, z, lx, ly, lz) if kinds[n] == 0 else _F(0.0)
            ex, ey, ez = lens[0] - x, lens[1] - y, lens[2] - z
            size = _F(1.0) / math.sqrt(ex * ex + ey * ey + ez * ez)
            ex, ey, ez = ex * size, ey * size, ez * size
            ox, oy, oz = x - centre[0], y - centre[1], z - centre[2]
            size = _F(1.0) / math.sqrt(ox * ox + oy * oy + oz * oz + _F(1e-9))
            facing = (ox * lx + oy * ly + oz * lz) * size
            tl, tv = tx * lx + ty * ly + tz * lz, tx * ex + ty * ey + tz * ez
            across = math.sqrt(max(_F(1.0) - tl * tl, _F(0.0)))
            volume = across * max((facing + _F(0.45)) / _F(1.45), _F(0.0)) * _F(2.2)
            half = (math.asin(min(max(tl, _F(-1.0)), _F(1.0))) + math.asin(min(max(tv, _F(-1.0)), _F(1.0)))) * _F(0.5)
            r, trt = (half - _F(0.09) + shift[n]) * _F(7.5), (half + _F(0.13) + shift[n]) * _F(4.2)
            # Azimuth: a mirror lobe looks back to the light, light from behind goes through.
            px, py, pz = lx - tl * tx, ly - tl * ty, lz - tl * tz
            qx, qy, qz = ex - tv * tx, ey - tv * ty, ez - tv * tz
            turn = (px * qx + py * qy + pz * qz) / math.sqrt(
                (px * px + py * py + pz * pz) * (qx * qx + qy * qy + qz * qz) + _F(1e-9))
            back = math.sqrt(max((_F(1.0) + turn) * _F(0.5), _F(0.0)))
            mirror = math.exp(-r * r) * back * first[n] * _F(2.2)
            inner = math.exp(-trt * trt) * back * _F(0.55)
            ahead = max(-turn, _F(0.0))
            ahead = ahead * ahead * _F(0.9)
            for j in range(3):
                glow = own[n, j] * (volume + inner * _F(0.6)) + second[n, j] * inner * _F(0.28) + mirror
                # Pale fibres pass on what they catch: light goes deeper than it would unscattered.
                deep = math.exp(-thick * (_F(1.0) - _F(0.80) * math.sqrt(min(own[n, j], _F(1.0)))))
                shade[n, k, j] += colour[j] * passed * deep * (glow + second[n, j] * ahead * _F(0.5))


@kernel
def _skylight(knots, kinds, density, low, sky, ground, centre, own, shade):
    """Add the sky's light, dimmed by the hair that lies outwards."""
    for n in range(len(knots)):
        for k in range(knots.shape[1]):
            x, y, z = knots[n, k, 0], knots[n, k, 1], knots[n, k, 2]
            ox, oy, oz = x - centre[0], y - centre[1], z - centre[2]
            size = _F(1.0) / math.sqrt(ox * ox + oy * oy + oz * oz + _F(1e-9))
            ox, oy, oz = ox * size, oy * size, oz * size
            thick = _through(density, low, x, y, z, ox, oy, oz) if kinds[n] == 0 else _F(0.3)
            up = _F(0.5) + _F(0.5) * oy
            for j in range(3):
                deep = math.exp(-_F(0.5) * thick * (_F(1.0) - _F(0.80) * math.sqrt(min(own[n, j], _F(1.0)))))
                shade[n, k, j] += own[n, j] * deep * (ground[j] + (sky[j] - ground[j]) * up)


@kernel
def _draw(screen, shade, kinds, near, light, covered):
    """Lines one sample wide, thinner to the tip (by leaving samples out), nearest first."""
    rows, columns = near.shape
    last = screen.shape[1] - 1
    for n in range(len(screen)):
        lift = _F(0.0012) if kinds[n] == 1 else _F(0.0006) if kinds[n] == 2 else _F(0.0003)
        for k in range(last):
            x0, y0, n0 = screen[n, k, 0], screen[n, k, 1], screen[n, k, 2]
            x1, y1, n1 = screen[n, k + 1, 0], screen[n, k + 1, 1], screen[n, k + 1, 2]
            if not (n0 > 0 and n1 > 0):
                continue
            reach = max(abs(x1 - x0), abs(y1 - y0))
            if not reach < _F(4000.0):
                continue
            count = int(reach) + 1
            for s in range(count):
                t = (_F(s) + _F(0.5)) / _F(count)
                col, row = int(math.floor(x0 + (x1 - x0) * t)), int(math.floor(y0 + (y1 - y0) * t))
                if row < 0 or col < 0 or row >= rows or col >= columns:
                    continue
                along = (_F(k) + t) / _F(last)
                thin = _F(1.35) - along if kinds[n] == 0 else _F(1.05) - along
                if thin < _F(1.0):
                    chance = (n * 7919 + row * 26699 + col * 5849 + ((row * col) ^ n) * 31) & 1023
                    if _F(chance) > thin * _F(1023.0):
                        continue
                z = n0 + (n1 - n0) * t
                if z + lift * z * z > near[row, col]:
                    # Brows and lashes are thinner than a sample and lie on the face: they let it shine through.
                    veil = _F(0.0)
                    if kinds[n] != 0 and covered[row, col]:
                        veil = _F(0.25)
                    else:
                        near[row, col] = max(z, near[row, col])
                    covered[row, col] = True
                    for j in range(3):
                        own = shade[n, k, j] + (shade[n, k + 1, j] - shade[n, k, j]) * t
                        light[row, col, j] = own + (light[row, col, j] - own) * veil
