"""Would OpenGL draw the live head faster? An experiment; the finding stands in results/render_gl.md.

    python -m benchmarks.render_gl write SCENE.npz        posed vertices with their light, triangles, pictures
    python3.11 -m venv ENV && ENV/bin/pip install moderngl numpy pillow
    ENV/bin/python benchmarks/render_gl.py draw SCENE.npz SAMPLES [PICTURE.png]

`draw` needs EGL and moderngl, not Visema. It uploads every picture's vertices, draws with SAMPLES (4 or 0), the
skin's shader line by line as in `engine/render/shading.py` (hair, cloth and the rest simplified), strands blended,
tone in the shader, and reads the picture back, as a film or an encoder needs it. Processor time is of all threads.
"""

import os
import sys
import time

import numpy as np

SIZE = 512
PICTURES = 60
VERTEX = """
#version 330
in vec4 place; in vec4 light; in vec4 own; in vec4 more; in float kind;
out vec4 f0; out vec4 f4; out vec4 f8; flat out int k;
void main() { gl_Position = place; f0 = light; f4 = own; f8 = more; k = int(kind); }
"""
FRAGMENT = """
#version 330
in vec4 f0; in vec4 f4; in vec4 f8; flat in int k;
uniform sampler2D skin, pores, wrinkles, hair; uniform vec3 lip, cloth, strand; uniform float blended; uniform ivec3 is;
out vec4 colour;
void main() {
    vec3 c = f0.rgb * vec3(0.6, 0.2, 0.18); float alpha = 1.0;
    if (k == is.x) {
        vec4 s = texture(skin, f4.xy), p = texture(pores, f4.xy); vec2 bump = p.xy - 0.50196;
        vec3 base = mix(s.rgb * s.rgb, lip, smoothstep(0.18, 0.82, f4.z)); float hollow = 0.0;
        if (f8.z > 0.01) {
            vec4 w = texture(wrinkles, f4.xy);
            bump += (w.xy - 0.50196) * f8.z; hollow = min((1.0 - w.z) * f8.z, 1.0);
        }
        float tilt = -dot(bump, f8.xy) * 2.0;
        float add = f0.a * (1.0 + 2.1 * smoothstep(0.18, 0.82, f4.z)) * s.a * 2.0 * max(1.0 + 2.2 * tilt, 0.0);
        c = base * f0.rgb * clamp(1.0 + tilt, 0.35, 1.8) * (1.0 - vec3(0.38, 0.55, 0.58) * hollow);
        c += add * (1.0 - 0.6 * hollow) * vec3(1.05, 1.0, 0.94) + f4.w * 0.07;
    } else if (k == is.y) c = cloth * f0.rgb + f4.w * 0.10;
    else if (k == is.z || blended > 0.5) {
        vec4 h = texture(hair, f4.xy); float shift = f0.a + (h.g - 0.5) * 0.3; float sine = 1.0 - shift * shift;
        c = strand * f0.rgb * (0.5 + h.r) + 0.12 * f4.w * pow(max(sine, 0.0), 24.0) * h.b;
        alpha = blended > 0.5 ? clamp(f4.z * (0.4 + h.a), 0.0, 1.0) : 1.0;
    }
    vec3 over = max(c - 0.55, 0.0);
    c = min(c, 0.55) + 0.45 * (1.0 - exp(-over / 0.45));
    colour = vec4(mix(c * 12.92, 1.055 * pow(max(c, 1e-5), vec3(1.0 / 2.4)) - 0.055, step(0.0031308, c)), alpha);
}
"""


def write(target: str) -> None:
    """Everything that `draw` needs of the default scene, and what numba takes for the same part of the work."""
    from engine.bench import bench_render, talking
    from engine.config import load_config
    from engine.render import shading
    from engine.render.plugin import scene_of
    from engine.render.qualities import make_renderer

    config = load_config(None, [f"render.size={SIZE}"])
    renderer = make_renderer(scene_of(config), SIZE)
    kept: list[list[np.ndarray]] = [[], []]
    fields, project = renderer.vertex_fields, renderer.project
    renderer.vertex_fields = lambda *a: kept[0].append(fields(*a)) or kept[0][-1]
    renderer.project = lambda *a: kept[1].append(project(*a)) or kept[1][-1]
    state = renderer.init_state(1)
    for tick in talking(PICTURES):
        renderer.step(state, tick[None])
    parts = bench_render(config, PICTURES)["parts"]
    same = ("visibility", "shading", "brows and lashes", "strands", "tone")
    wear, looks = renderer.wardrobe, renderer.looks
    np.savez(
        target, fields=np.stack(kept[0]), screen=np.stack(kept[1]), solid=wear.solid,
        strands=renderer.face.triangles[wear.strands], kinds=wear.vertex_kinds, skin=looks.skin, pores=looks.pores,
        wrinkles=looks.wrinkles, hair=looks.hair, lip=looks.tints[shading.LIP], cloth=looks.tints[shading.CLOTH_TONE],
        names=np.array([shading.SKIN, shading.CLOTH, shading.HAIR]),
        numba_ms=sum(parts[name]["p50_ms"] for name in same if name in parts),
    )  # fmt: skip


def draw(source: str, samples: int, picture: str | None) -> None:
    """Draw all pictures with 0 or 4 samples a pixel, twice, and print the milliseconds of the second round."""
    import moderngl

    scene = np.load(source)
    context = moderngl.create_context(standalone=True, backend="egl")
    program = context.program(vertex_shader=VERTEX, fragment_shader=FRAGMENT)
    for unit, name in enumerate(("skin", "pores", "wrinkles", "hair")):
        image = scene[name].reshape(-1, *scene[name].shape[-2:])  # hair: one below the other
        texture = context.texture(image.shape[1::-1], image.shape[2], np.ascontiguousarray(image).tobytes())
        texture.use(unit)
        program[name] = unit
    program["lip"], program["cloth"] = tuple(scene["lip"]), tuple(scene["cloth"])
    program["strand"] = 0.06, 0.035, 0.02
    program["is"] = tuple(int(k) for k in scene["names"])
    count = len(scene["kinds"])
    vertices = context.buffer(reserve=count * 68, dynamic=True)
    layout = [(vertices, "4f 4f 4f 4f 1f", "place", "light", "own", "more", "kind")]
    indices = [np.ascontiguousarray(scene[name], np.int32).tobytes() for name in ("solid", "strands")]
    solid, strands = (context.vertex_array(program, layout, context.buffer(part)) for part in indices)
    fine = context.framebuffer([context.renderbuffer((SIZE, SIZE), 4, samples=samples)],
                               context.depth_renderbuffer((SIZE, SIZE), samples=samples))  # fmt: skip
    plain = context.simple_framebuffer((SIZE, SIZE))
    context.blend_func = moderngl.SRC_ALPHA, moderngl.ONE_MINUS_SRC_ALPHA
    rows = np.empty((count, 17), np.float32)
    rows[:, 16] = scene["kinds"]
    wall, busy, shown = [], [], b""
    all_fields, all_screen = scene["fields"], scene["screen"]
    for fields, screen in [*zip(all_fields, all_screen, strict=True)] * 2:
        clocks = time.perf_counter(), time.process_time()
        near = screen[:, 2]
        rows[:, 0] = (screen[:, 0] * (2 / SIZE) - 1) / near
        rows[:, 1] = (1 - screen[:, 1] * (2 / SIZE)) / near
        rows[:, 2] = 1 / near - 1  # depth: -w at 0.5 m, nearly w far away
        rows[:, 3] = 1 / near
        rows[:, 4:16] = fields
        vertices.write(rows)
        fine.use()
        context.enable_only(moderngl.DEPTH_TEST)
        fine.clear(0.22, 0.26, 0.30)
        program["blended"] = 0.0
        solid.render()
        context.enable(moderngl.BLEND)
        fine.depth_mask = False
        program["blended"] = 1.0
        strands.render()
        fine.depth_mask = True
        context.copy_framebuffer(plain, fine)
        shown = plain.read(components=3)
        wall.append(time.perf_counter() - clocks[0])
        busy.append(time.process_time() - clocks[1])
    threads = os.environ.get("LP_NUM_THREADS", "unset")
    print(f"{context.info['GL_RENDERER']}; {samples} samples; LP_NUM_THREADS={threads}")
    for name, times in (("clock", wall), ("processor, all threads", busy)):
        p50, p99 = np.percentile(np.array(times[len(all_fields):]) * 1e3, [50, 99])
        print(f"{name}: p50 {p50:.1f} ms, p99 {p99:.1f} ms")
    print(f"numba, the same part of the work: p50 {float(scene['numba_ms']):.1f} ms of one thread")
    if picture:
        from PIL import Image

        Image.fromarray(np.frombuffer(shown, np.uint8).reshape(SIZE, SIZE, 3)[::-1]).save(picture)


if __name__ == "__main__":
    if sys.argv[1] == "write":
        write(sys.argv[2])
    else:
        draw(sys.argv[2], int(sys.argv[3]), sys.argv[4] if len(sys.argv) > 4 else None)
