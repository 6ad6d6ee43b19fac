"""`visema weights`: what ships is sealed and has cards; damaged files are found; fetching keeps tensors only."""

import functools
import http.server
import threading

import pytest
import torch

from engine import weights
from engine.cli import main
from engine.errors import WeightsError
from engine.features.hubert.checkpoint import load_hubert
from engine.features.hubert.layouts import FAIRSEQ
from tests.hubert_files import TINY, stored, tiny


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


@pytest.fixture
def fairseq(tmp_path):
    """A small checkpoint in fairseq's layout, pickled as published ones are."""
    path = tmp_path / "h.pt"
    torch.save({"args": None, "cfg": {"a": 1}, "model": stored(tiny(), FAIRSEQ)}, path)
    return path


def test_what_ships_is_sealed(own_cache, capsys):
    assert main(["weights", "verify"]) == 0, "after a training: `visema weights seal`\n" + capsys.readouterr().out
    out = capsys.readouterr().out
    assert "encoder" in out and "viseme" in out and "WRONG" not in out and "never" not in out
    assert main(["weights", "list"]) == 0
    assert "hubert-base" in capsys.readouterr().out


@pytest.mark.filterwarnings("ignore:.*tensors only")
def test_a_file_is_fetched_converted_verified_and_found_damaged(own_cache, fairseq, capsys):
    assert main(["weights", "fetch", "mine", "--from", str(fairseq)]) == 2
    assert "--allow-pickle" in capsys.readouterr().err
    assert main(["weights", "fetch", "mine", "--from", str(fairseq), "--allow-pickle"]) == 0
    target = weights.cache() / "mine.safetensors"
    assert str(target) in capsys.readouterr().out
    model, samples = load_hubert(target, context=9), torch.randn(1, 4_000)
    torch.testing.assert_close(model.blocks[0].ff_in.weight, tiny().blocks[0].ff_in.weight)
    assert torch.isfinite(model(samples[:, :3_840])).all() and model.config.channels == TINY.channels
    assert main(["weights", "verify"]) == 0
    whole = bytearray(target.read_bytes())
    whole[-1] ^= 1
    target.write_bytes(whole)
    assert main(["weights", "verify"]) == 1
    assert "WRONG  mine" in (out := capsys.readouterr().out) and "SHA-256" in out
    target.write_bytes(whole[:-9])
    assert main(["weights", "verify"]) == 1 and "truncated" in capsys.readouterr().out
    target.with_suffix(".md").unlink()
    assert main(["weights", "verify"]) == 1 and "no card" in capsys.readouterr().out


@pytest.mark.filterwarnings("ignore:.*tensors only")
def test_fetching_over_a_network(own_cache, fairseq, monkeypatch):
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    handler = functools.partial(Quiet, directory=str(fairseq.parent))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_address[1]}"
        published = weights.Published(f"{address}/h.pt", "MIT", "a test")
        monkeypatch.setitem(weights.PUBLISHED, "small", published)
        assert weights.verify(_only(weights.fetch("small", allow_pickle=True))) == "hubert"
        with pytest.raises(WeightsError, match=r"cannot be fetched from here.*--from FILE"):
            weights.fetch("x", f"{address}/absent.pt")
        server.shutdown()
    with pytest.raises(WeightsError, match="only https"):
        weights.fetch("x", "ftp://127.0.0.1/x")
    with pytest.raises(WeightsError, match="there are hubert-base"):
        weights.fetch("nobody")
    assert not list(weights.cache().glob("*.download")) and not list(weights.cache().glob("*.partial"))


def _only(path):
    return next(file for file in weights.fetched() if file.path == path)
