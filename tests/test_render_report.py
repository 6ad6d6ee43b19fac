"""The report of the renderers' figures says what was measured."""

import json

from benchmarks.render_report import write


def row(quality: str, name: str, size: int, threads: int, p50_ms: float) -> dict:
    parts = {"shading": {"p50_ms": 0.6 * p50_ms}, "the rest": {"p50_ms": 0.4 * p50_ms}}
    return {"quality": quality, "identity": name, "size": size, "threads": threads, "p50_ms": p50_ms,
            "p99_ms": 1.2 * p50_ms, "device": "an abacus", "parts": parts}  # fmt: skip


def test_figures_stand_where_they_belong(tmp_path):
    rows = [row("live", "anna", 512, 1, 12.5), row("live", "anna", 512, 2, 8.0), row("live", "anna", 720, 1, 25.0),
            row("live", "zuri", 512, 1, 14.0), row("offline", "anna", 512, 1, 5100.0),
            row("plain", "anna", 512, 1, 4.0)]  # fmt: skip
    rows[0]["resting_cpu_p50_ms"] = 10.6
    (tmp_path / "render.json").write_text(json.dumps(rows))
    (tmp_path / "start.json").write_text(
        json.dumps({"runs": 5, "render_first_picture_s": 3.14, "serve_ready_s": 3.4})
    )
    least = {"pictures": 40, "least": {"all": 1.0, "covered": 0.99991}}
    (tmp_path / "rasterizers.json").write_text(json.dumps({"device": "x", "numba against reference": least}))
    film = {"real_time_factor": 0.444, "peak_memory_mb": 800}
    (tmp_path / "offline.json").write_text(json.dumps({"clip": "real speech", "identities": {"anna": film}}))
    text = write(tmp_path)
    for line in (
        "| anna | 12.5 | 15.0 | 10.6 | 8.0 | 9.6 | 25.0 | 2.00 |",
        "| zuri | 14.0 | 16.8 |  |  |  |  |  |", "| anna | 5.1 | 4.0 |",
        "| shading | 7.50 | 8.40 |", "| whole picture | 12.50 | 14.00 |", "| anna | 0.44 | 800 |",
        "| first picture of `visema render` (target 4) | 3.1 |",
        "| numba against reference | 40 | 1.00000 | 0.99991 |",
    ):  # fmt: skip
        assert line in text, line
    assert "an abacus" in text


def test_what_is_missing_is_left_out(tmp_path):
    assert "##" not in write(tmp_path)
