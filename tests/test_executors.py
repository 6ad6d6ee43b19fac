"""Executors: each answers as eager does, the state stays the caller's, other shapes are refused."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from engine.errors import ConfigError, DeviceError
from engine.features.log_mel import LogMel
from engine.motion import layout
from engine.stage import Stage
from engine.torchkit.causal_conv import PastState
from engine.torchkit.executors import EXECUTORS, choose_executor, make_executor
from engine.torchkit.openvino_executor import OpenVino
from engine.torchkit.openvino_graph import store_weights
from tests import laws
from tests.hubert_files import TINY, TINY_LARGE, tiny
from tests.stages import CASES
from tests.test_speech_encoder import KEEP, SPEECH, encoder

# How far each may lie from eager, in units of the output (about 1): bf16 has 8 bits, int8 weights and activations
# have 7 and 8 in groups of 64.
TOLERANCES = {"f32": 1e-3, "bf16": 0.05, "int8": 0.2}
WIDE = SPEECH.hubert.__class__(
    front="mel", mels=64, channels=64, kernels=(5, 4), strides=(1, 2), conv_bias=True, conv_norm="none",
    projection=False, projection_norm=False, activation="silu", width=128, layers=2, heads=2, feed_forward=256,
    pre_norm=True, position_kernel=0, distance_bias=True, conv_frames=5, context=9,
)  # fmt: skip


def _ticks(slots: int = 2, length: int = 31) -> torch.Tensor:
    torch.manual_seed(4)
    return 0.07 * torch.randn(slots, length, 640)


@pytest.mark.parametrize("precision", TOLERANCES)
def test_openvino_answers_as_eager_does(precision):
    """Past three rings, two slots, weights wide enough to be stored in fewer bits."""
    from engine.features.hubert import Hubert

    torch.manual_seed(0)
    stage, ticks = Hubert(WIDE).eval().requires_grad_(False), _ticks()
    compiled = OpenVino(stage, ticks[:, 0].clone(), precision)
    laws.assert_executors_agree(stage, compiled, ticks, TOLERANCES[precision])
    laws.assert_state_changes_in_place(compiled, ticks)
    laws.assert_reset_is_fresh(compiled, ticks, 1e-5)


GROUPED = replace(TINY, width=64, position_kernel=64, position_groups=2)  # wide enough to become bytes


@pytest.mark.parametrize("config", [TINY, TINY_LARGE, GROUPED, replace(GROUPED, lookahead=1)],
                         ids=["base", "large", "grouped", "looks ahead"])  # fmt: skip
def test_published_structures_survive_int8(config):
    stage, ticks = tiny(config), _ticks()
    laws.assert_executors_agree(stage, OpenVino(stage, ticks[:, 0].clone(), "int8"), ticks, 0.2)


class _Mels(Stage):
    """Log-mels alone: what must stay fp32 whatever the weights are."""

    def __init__(self):
        self.mel = LogMel(64)

    def init_state(self, slots):
        return self.mel.init_state(slots)

    def step(self, state: PastState, x):
        return self.mel.step(state, x)


@pytest.mark.parametrize("precision", TOLERANCES)
def test_log_mels_stay_fp32(precision):
    ticks = _ticks()
    laws.assert_executors_agree(_Mels(), OpenVino(_Mels(), ticks[:, 0].clone(), precision), ticks, 1e-4)


def test_weights_are_stored_in_fewer_bits():
    import openvino

    from engine.features.hubert import Hubert
    from engine.torchkit.openvino_executor import _convert, _Functional, _trace

    stage = Hubert(WIDE).eval().requires_grad_(False)
    state, x = stage.init_state(1), torch.zeros(1, 640)
    inputs = [t.clone() for _, t in state.tensors()] + [x]
    with torch.no_grad():
        model = _convert(_trace(_Functional(stage, state, x), inputs), inputs, "f32")
    changed = store_weights(model, "int8")
    stored = [
        op for op in model.get_ops() if op.get_type_name() == "Constant" and op.get_element_type() == openvino.Type.i8
    ]
    big = sum(int(np.prod(op.shape)) for op in stored if op.shape[-1] > 1)
    linear = sum(
        p.numel() for n, p in stage.named_parameters() if p.ndim > 1 and "filter" not in n and n[-5:] != ".bias"
    )
    linear -= 2 * 2 * 9  # distance biases are no products
    assert changed == 2 + 2 * 6 and big > 0.99 * linear


def test_grouped_convolutions_are_the_same_as_products():
    """In fp32, so that nothing but a wrong place can make a difference."""
    import openvino

    from engine.torchkit.openvino_executor import _convert, _trace
    from engine.torchkit.openvino_graph import _grouped_convolutions_as_products

    torch.manual_seed(2)
    conv, x = torch.nn.Conv1d(64, 96, 33, groups=2).eval().requires_grad_(False), torch.randn(3, 64, 35)
    model = _convert(_trace(conv, [x]), [x], "f32")
    assert len(_grouped_convolutions_as_products(model)) == 2
    assert not any(op.get_type_name() == "GroupConvolution" for op in model.get_ordered_ops())
    hint = {"INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": "f32"}
    answer = openvino.Core().compile_model(model, "CPU", hint)(x.numpy())[0]
    np.testing.assert_allclose(answer, conv(x).numpy(), atol=1e-5)


def test_every_side_output_is_compiled():
    stage, ticks = encoder(keep=KEEP), _ticks()
    compiled = make_executor(stage, "openvino", ticks[:, 0].clone())
    state, eager = compiled.init_state(2), stage.init_state(2)
    with torch.inference_mode():
        for t in range(5):
            got, want = compiled.step(state, ticks[:, t].clone()), stage.step(eager, ticks[:, t].clone())
            assert tuple(got.side) == KEEP and got.side["units"].dtype == torch.int64
            torch.testing.assert_close(got.side["layer2"], want.side["layer2"], atol=1e-3, rtol=0)


class _Picky(Stage):
    """A motion stage that reads one side output and nothing else."""

    needs = ("pitch_hz", "layer1")

    def init_state(self, slots):
        return PastState(torch.zeros(slots, 2))

    def step(self, state: PastState, x):
        state.past.copy_(0.5 * state.past + x.side["pitch_hz"])
        return torch.cat((state.past, torch.zeros(len(state.past), layout.M - 2)), -1)


@pytest.mark.parametrize("executor", ["eager", "openvino"])
def test_a_motion_stage_gets_what_it_needs(executor, monkeypatch):
    """Through the pipeline, where inputs that it does not read change nothing."""
    from engine import pipeline
    from engine.config import load_config

    monkeypatch.setattr(pipeline, "build_motion", lambda config: _Picky())
    monkeypatch.setattr(pipeline, "load_encoder", lambda path: encoder(keep=()).requires_grad_(False))
    made = pipeline.Pipeline(load_config(None, [f"engine.executor={executor}", "motion.life=0"]), pictures=False)
    ears, motion = made.ears.init_state(1), made.motion.init_state(1)
    time = torch.arange(20 * 640) / 16_000
    hum = (0.1 * torch.sin(2 * torch.pi * 150 * time) + 0.1 * torch.sin(2 * torch.pi * 300 * time)).view(20, 1, 640)
    with torch.inference_mode():
        for tick in hum:
            features = made.ears.step(ears, tick.clone())
            answer = made.motion.step(motion, features)
    assert set(features.side) == {"pitch_hz", "layer1"}
    torch.testing.assert_close(features.side["pitch_hz"], torch.full((1, 2), 150.0), rtol=0.02, atol=0)
    torch.testing.assert_close(answer[0, :2], torch.full((2,), 300.0), rtol=0.05, atol=0)


def test_a_state_belongs_to_its_caller():
    """Two sessions through one executor do not hear each other, and a copied state goes on alike."""
    stage, ticks = tiny(), _ticks(1, 12)
    compiled = OpenVino(stage, ticks[:, 0].clone())
    one, other = compiled.init_state(1), compiled.init_state(1)
    alone = [y[0] for y in laws._steps(compiled, compiled.init_state(1), ticks, 0, 12)]
    for t in range(12):
        got = compiled.step(one, ticks[:, t].clone())
        compiled.step(other, -ticks[:, t].clone())
        assert torch.equal(got, alone[t])
        if t == 6:
            for (_, into), (_, source) in zip(other.tensors(), one.tensors(), strict=True):
                into.copy_(source)
            kept = one.rebuilt(iter([tensor.clone() for _, tensor in one.tensors()]))
    assert torch.equal(compiled.step(kept, ticks[:, 7].clone()), alone[7])


def test_other_shapes_are_refused():
    compiled = OpenVino(tiny(), torch.zeros(1, 640))
    with pytest.raises(ValueError, match="compiled for 1 slots"):
        compiled.init_state(2)
    with pytest.raises(ValueError, match="compiled for inputs"):
        compiled.step(compiled.init_state(1), torch.zeros(1, 320))


def test_bench_encoder_writes_what_checks_rely_on(tmp_path):
    from engine.cli import main

    target = tmp_path / "bench.json"
    assert (
        main(["bench", "encoder", "--json", str(target), "--minutes", "0.1", "--slots", "2", "--lookahead", "1"]) == 0
    )
    report = json.loads(target.read_text())
    assert set(report) >= {"p50_ms", "p99_ms", "first_minute_p50_ms", "last_minute_p50_ms", "hour8_p50_ms",
                           "max_abs_diff", "eager_p50_ms", "device", "threads"}  # fmt: skip
    assert (report["threads"], report["slots"], report["executor"]) == (1, 2, "openvino-int8")
    assert 0 < report["p50_ms"] <= report["p99_ms"]
    assert report["max_abs_diff"] < 1e-4 < report["executor_max_abs_diff"] < 0.3


@pytest.mark.parametrize("options, text", [
    (["--model", "huge"], "'base'"), (["--lookahead", "3"], "(0, 1, 2)"), (["--slots", "0"], "--slots"),
    (["--model", "README.md"], "neither safetensors"),
])  # fmt: skip
def test_mistakes_in_bench_encoder_get_one_clear_text(options, text, capsys):
    from engine.cli import main

    assert main(["bench", "encoder", *options]) == 2
    assert text in capsys.readouterr().err


def test_a_state_can_be_aged():
    """Hour eight of the bench: as after that many ticks, from where streaming goes on."""
    from engine.bench_encoder import age

    stage, ticks = tiny(), _ticks(1, 40)
    state, aged = stage.init_state(1), stage.init_state(1)
    with torch.inference_mode():
        for t in range(20):
            stage.step(state, ticks[:, t])
            stage.step(aged, ticks[:, t])
        heads = int(aged.clock.head)
        age(aged, 5 * aged.clock.entries.shape[1])  # whole turns
        assert int(aged.clock.head) == heads and int(aged.clock.filled) == aged.clock.entries.shape[1]
        assert torch.equal(stage.step(aged, ticks[:, 20]), stage.step(state, ticks[:, 20]))


def test_names_of_executors():
    with pytest.raises(ConfigError, match="'openvino-int8'"):
        make_executor(tiny(), "tensorrt", torch.zeros(1, 640))
    assert choose_executor("auto") in EXECUTORS
    if not torch.cuda.is_available():
        with pytest.raises(DeviceError, match="NVIDIA GPU"):
            choose_executor("graph")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
class TestCudaGraph:
    """On a GPU: graph equals eager, nothing is captured again, pointers stay, outputs are copies."""

    @pytest.mark.parametrize("case", [case for case in CASES if case.executors], ids=lambda case: case.name)
    def test_graph_equals_eager_without_capturing_again(self, case):
        ticks = case.ticks(1, 2, case.length)
        stage = case.build()
        graph = make_executor(stage, "graph", laws.tree_map(lambda v: v[:, 0].clone(), ticks))
        on_gpu = laws.tree_map(lambda v: v.cuda(), ticks)
        laws.assert_executors_agree(_Eager(graph), graph, on_gpu, 1e-4)
        assert graph.captures == 1, "one state, one capture"
        laws.assert_state_changes_in_place(graph, on_gpu)
        laws.assert_reset_is_fresh(graph, on_gpu, 1e-4)
        assert graph.captures == 4, "resetting a slot captures nothing"

    def test_outputs_are_not_borrowed_and_other_shapes_are_refused(self):
        ticks = _ticks(1, 6)
        graph = make_executor(tiny(), "graph", ticks[:, 0])
        state = graph.init_state(1)
        first = graph.step(state, ticks[:, 0])
        kept = first.clone()
        graph.step(state, ticks[:, 1])
        assert torch.equal(first, kept) and first.is_cuda
        with pytest.raises(ValueError, match="cannot change its shapes"):
            graph.step(state, ticks[:, 0, :320])

    def test_it_can_be_switched_off(self):
        ticks = _ticks(1, 6)
        graph = make_executor(tiny(), "graph", ticks[:, 0])
        graph.enabled = False
        graph.step(graph.init_state(1), ticks[:, 0])
        assert graph.captures == 0


class _Eager(Stage):
    """The graph's stage on the GPU, step by step."""

    def __init__(self, graph):
        self.graph, self.lookahead = graph, graph.lookahead

    def init_state(self, slots):
        return self.graph.init_state(slots)

    def reset(self, state, slot, seed=0):
        self.graph.reset(state, slot, seed)

    def step(self, state, x):
        return self.graph.stage.step(state, x)
