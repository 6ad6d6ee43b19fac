"""Numba kernels of the face model: sparse offsets, lids over the ball, neck skinning, normals."""

import numpy as np

from engine.render.kernel import kernel

SMALLEST_M = 2e-6  # offsets below two micrometres are dropped


def sparsify(basis: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(E, V, 3) to starts (E + 1,), vertex ids (n,), offsets (n, 3): only vertices that move."""
    starts, ids, moves = [0], [], []
    for field in basis:
        moving = np.flatnonzero(np.abs(field).max(1) > SMALLEST_M)
        ids.append(moving)
        moves.append(field[moving])
        starts.append(starts[-1] + len(moving))
    return (
        np.array(starts, np.int32),
        np.concatenate(ids).astype(np.int32),
        np.ascontiguousarray(np.concatenate(moves), np.float32),
    )


def sparsify_shades(shades: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """int8 (K, V), hundredths, to starts (K + 1,), vertex ids (n,), changes float32 (n,)."""
    rows, ids = np.nonzero(shades)
    starts = np.searchsorted(rows, np.arange(len(shades) + 1))
    return starts.astype(np.int32), ids.astype(np.int32), (shades[rows, ids] / 100).astype(np.float32)


def incidence(triangles: np.ndarray, vertices: int) -> tuple[np.ndarray, np.ndarray]:
    """For every vertex its triangles: starts (V + 1,), triangle ids (3F,)."""
    order = np.argsort(triangles.ravel(), kind="stable")
    starts = np.searchsorted(triangles.ravel()[order], np.arange(vertices + 1))
    return starts.astype(np.int32), (order // 3).astype(np.int32)


@kernel
def add_sparse(out, mean, values, starts, ids, moves):
    """out = mean + values . basis, over the coefficients that are not zero."""
    for v in range(out.shape[0]):
        out[v, 0] = mean[v, 0]
        out[v, 1] = mean[v, 1]
        out[v, 2] = mean[v, 2]
    for e in range(values.shape[0]):
        value = values[e]
        if value == 0.0:
            continue
        for k in range(starts[e], starts[e + 1]):
            v = ids[k]
            out[v, 0] += value * moves[k, 0]
            out[v, 1] += value * moves[k, 1]
            out[v, 2] += value * moves[k, 2]


@kernel
def add_shades(out, rest, values, starts, ids, changes):
    """Occlusion out (V,) = rest + values . changes, kept between 0.05 and 1 where it changes."""
    for v in range(out.shape[0]):
        out[v] = rest[v]
    for e in range(values.shape[0]):
        if values[e] == 0.0:
            continue
        for k in range(starts[e], starts[e + 1]):
            out[ids[k]] += values[e] * changes[k]
    for v in range(out.shape[0]):
        out[v] = min(max(out[v], np.float32(0.05)), np.float32(1.0))


@kernel
def push_out(points, ids, margin, centre, radius):
    """Lift lid vertices that a linear blink drags into the ball back over its surface."""
    for k in range(ids.shape[0]):
        v = ids[k]
        x = points[v, 0] - centre[0]
        y = points[v, 1] - centre[1]
        z = points[v, 2] - centre[2]
        distance = np.sqrt(x * x + y * y + z * z)
        least = radius + margin[k]
        if distance < least:
            scale = least / max(distance, 1e-9)
            points[v, 0] = centre[0] + x * scale
            points[v, 1] = centre[1] + y * scale
            points[v, 2] = centre[2] + z * scale


@kernel
def turn(points, rotation, centre):
    """Rotate points about a centre, in place."""
    for v in range(points.shape[0]):
        x = points[v, 0] - centre[0]
        y = points[v, 1] - centre[1]
        z = points[v, 2] - centre[2]
        for i in range(3):
            points[v, i] = centre[i] + rotation[i, 0] * x + rotation[i, 1] * y + rotation[i, 2] * z


@kernel
def skin_neck(points, weight, rotation, shift):
    """Blend every vertex between the body (at rest) and the moved head, in place."""
    for v in range(points.shape[0]):
        w = weight[v]
        x, y, z = points[v, 0], points[v, 1], points[v, 2]
        for i in range(3):
            moved = rotation[i, 0] * x + rotation[i, 1] * y + rotation[i, 2] * z + shift[i]
            points[v, i] += w * (moved - points[v, i])


@kernel
def vertex_normals(points, triangles, starts, ids, faces, out):
    """Area-weighted unit normals into out (V, 3); faces float32 (F, 3): scratch."""
    for t in range(triangles.shape[0]):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        ux, uy, uz = points[b, 0] - points[a, 0], points[b, 1] - points[a, 1], points[b, 2] - points[a, 2]
        vx, vy, vz = points[c, 0] - points[a, 0], points[c, 1] - points[a, 1], points[c, 2] - points[a, 2]
        faces[t, 0] = uy * vz - uz * vy
        faces[t, 1] = uz * vx - ux * vz
        faces[t, 2] = ux * vy - uy * vx
    for v in range(points.shape[0]):
        x = y = z = np.float32(0.0)
        for k in range(starts[v], starts[v + 1]):
            t = ids[k]
            x += faces[t, 0]
            y += faces[t, 1]
            z += faces[t, 2]
        scale = 1.0 / np.sqrt(x * x + y * y + z * z + 1e-24)
        out[v, 0] = x * scale
        out[v, 1] = y * scale
        out[v, 2] = z * scale
