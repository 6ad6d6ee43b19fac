"""Which vertices see the sky: depth maps from many directions give ambient occlusion and visibility."""

import numba
import numpy as np

RESOLUTION = 384


@numba.njit(cache=True)
def _fill_depth(points, triangles, depth):
    height, width = depth.shape
    for t in range(triangles.shape[0]):
        a, b, c = points[triangles[t, 0]], points[triangles[t, 1]], points[triangles[t, 2]]
        area = (b[0] - a[0]) * (c[1] - a[1]) - (c[0] - a[0]) * (b[1] - a[1])
        if abs(area) < 1e-12:
            continue
        x0 = max(0, int(min(a[0], b[0], c[0])))
        x1 = min(width - 1, int(max(a[0], b[0], c[0])) + 1)
        y0 = max(0, int(min(a[1], b[1], c[1])))
        y1 = min(height - 1, int(max(a[1], b[1], c[1])) + 1)
        for y in range(y0, y1 + 1):
            for x in range(x0, x1 + 1):
                w0 = ((b[0] - x) * (c[1] - y) - (c[0] - x) * (b[1] - y)) / area
                w1 = ((c[0] - x) * (a[1] - y) - (a[0] - x) * (c[1] - y)) / area
                w2 = 1 - w0 - w1
                if w0 >= 0 and w1 >= 0 and w2 >= 0:
                    z = w0 * a[2] + w1 * b[2] + w2 * c[2]
                    if z > depth[y, x]:
                        depth[y, x] = z


def seen_from(vertices: np.ndarray, triangles: np.ndarray, directions: np.ndarray, slack: float) -> np.ndarray:
    """bool (D, V): vertices not hidden by the mesh when looked at along -direction (parallel projection).

    slack: how far behind the nearest surface a vertex still counts as seen, in units of the vertices.
    """
    low, high = vertices.min(0), vertices.max(0)
    centre, half = (low + high) / 2, float(np.linalg.norm(high - low) / 2) + 1e-6
    out = np.zeros((len(directions), len(vertices)), bool)
    for k, direction in enumerate(directions):
        ahead = direction / np.linalg.norm(direction)
        side = np.cross([0.0, 1.0, 0.0] if abs(ahead[1]) < 0.95 else [1.0, 0.0, 0.0], ahead)
        side /= np.linalg.norm(side)
        frame = np.stack([side, np.cross(ahead, side), ahead])
        points = (vertices - centre) @ frame.T
        points[:, :2] = (points[:, :2] / half + 1) * (RESOLUTION - 1) / 2
        depth = np.full((RESOLUTION, RESOLUTION), -np.inf)
        _fill_depth(points, triangles, depth)
        x, y = np.rint(points[:, :2]).astype(int).T
        out[k] = points[:, 2] >= depth[y, x] - slack
    return out


def sphere_directions(count: int) -> np.ndarray:
    """(count, 3) evenly spread unit vectors (Fibonacci spiral)."""
    i = np.arange(count) + 0.5
    y = 1 - 2 * i / count
    turn = np.pi * (1 + 5**0.5) * i
    radius = np.sqrt(1 - y * y)
    return np.stack([radius * np.cos(turn), y, radius * np.sin(turn)], -1)


def ambient_occlusion(
    vertices: np.ndarray, normals: np.ndarray, triangles: np.ndarray, directions: int = 160, slack: float = 0.0
) -> np.ndarray:
    """float (V,) 1 open .. 0 closed: the cosine-weighted share of directions from which light arrives."""
    rays = sphere_directions(directions)
    seen = seen_from(vertices + normals * slack, triangles, rays, slack)
    cosine = np.clip(rays @ normals.T, 0, None)
    return (seen * cosine).sum(0) / np.maximum(cosine.sum(0), 1e-9)
