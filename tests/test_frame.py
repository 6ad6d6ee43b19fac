"""The frame: config, plugins, clocks, channels, chain and fold."""

import asyncio
import threading
from dataclasses import dataclass

import pytest
import torch

from engine.channel import Channel, ChannelFull, Policy
from engine.clock import ManualClock, MonotonicClock
from engine.config import Config, describe_config, load_config, parse_config
from engine.errors import ConfigError, EngineError, PluginError
from engine.metrics import Timings
from engine.motion import layout
from engine.plugin import build_motion, build_renderer, load_plugin, plugin_names
from engine.stage import Chain, Stage, State, fold


def test_the_shipped_config_holds_the_defaults():
    assert load_config("config.toml") == Config()


def test_every_key_is_described():
    assert {key for key, _, _ in describe_config()} >= {"render.size", "motion.lookahead_ticks", "serve.port"}


@pytest.mark.parametrize(
    "override, key, allowed",
    [
        ("render.sise=512", "render.sise", "size"),
        ("rendr.size=512", "rendr", "render"),
        ("engine.device=tpu", "engine.device", "'cpu'"),
        ("render.size=10", "render.size", "64"),
        ("motion.lookahead_ticks=3", "motion.lookahead_ticks", "2"),
        ("serve.port=none", "serve.port", "integer"),
        ("nonsense", "section.key=value", "nonsense"),
    ],
)
def test_a_config_error_names_the_key_and_what_is_allowed(override, key, allowed):
    with pytest.raises(ConfigError) as error:
        load_config("config.toml", [override])
    assert key in str(error.value) and allowed in str(error.value)


def test_overrides_reach_every_key():
    for key, default, _ in describe_config():
        value = eval(default)
        value = list(value) if isinstance(value, tuple) else value
        text = f'"{value}"' if isinstance(value, str) else str(value).lower()
        assert load_config("config.toml", [f"{key}={text}"]) == Config()
    changed = load_config("config.toml", ["render.background=green", "motion.life=0.5"])
    assert (changed.render.background, changed.motion.life) == ("green", 0.5)


@pytest.mark.parametrize("quality", ["live", "plain", "offline"])
def test_every_light_and_camera_key_changes_the_picture(quality):
    sections = ("light", "camera")
    keys = [key for key, _, _ in describe_config() if key.split(".")[0] in sections]
    values = {"light.warmth": "0.75", "camera.centre": "[0.02, 0.01, 0.03]", "camera.height_m": "0.5"}
    # A flat colour knows neither the lamps' size nor those that only shape and outline.
    blind = {"plain": {"light.fill", "light.rim", "light.softness"}}.get(quality, set())

    def draw(*overrides: str) -> torch.Tensor:
        config = load_config("config.toml", ["render.size=64", f"render.quality={quality}", *overrides])
        renderer = build_renderer(config)
        return renderer.step(renderer.init_state(1), torch.zeros(1, layout.M)).clone()

    first = draw()
    for key in keys:
        changed = draw(f"{key}={values.get(key, '2.5')}")
        assert torch.equal(changed, first) == (key in blind), key


def test_config_is_frozen_and_bad_toml_is_told(tmp_path):
    with pytest.raises(Exception, match="frozen"):
        Config().render.size = 3  # type: ignore[misc]
    bad = tmp_path / "bad.toml"
    bad.write_text("[render\n")
    with pytest.raises(ConfigError, match="not valid TOML"):
        load_config(bad)
    with pytest.raises(ConfigError, match="no configuration file"):
        load_config(tmp_path / "absent.toml")


def test_plugins_are_found_by_entry_point():
    assert {"viseme", "head"} <= set(plugin_names())
    assert load_plugin("viseme").motion is not None
    with pytest.raises(PluginError, match=r"nobody.*viseme"):
        load_plugin("nobody")
    with pytest.raises(PluginError, match="only renders"):
        build_motion(parse_config({"motion": {"plugin": "head"}}))
    with pytest.raises(PluginError, match="only moves"):
        build_renderer(parse_config({"render": {"plugin": "viseme"}}))


def test_clocks():
    clock = ManualClock()
    clock.advance_ms(1.5)
    assert clock.now_ns() == 1_500_000
    with pytest.raises(ValueError, match="back"):
        clock.advance_ms(-1)
    real = MonotonicClock()
    assert real.now_ns() <= real.now_ns()


def test_a_blocking_channel_loses_nothing_and_a_latest_one_counts():
    async def scene():
        latest = Channel[int](2, Policy.LATEST)
        for i in range(5):
            latest.put_nowait(i)
        assert [await latest.get(), await latest.get(), latest.dropped] == [3, 4, 3]
        block = Channel[int](2, Policy.BLOCK)
        sender = asyncio.create_task(_send(block, 20))
        assert [item async for item in block] == list(range(20))
        await sender
        full = Channel[int](1, Policy.BLOCK)
        full.put_nowait(1)
        with pytest.raises(ChannelFull):
            full.put_nowait(2)

    async def _send(channel, count):
        for i in range(count):
            await channel.put(i)
        channel.close()

    asyncio.run(scene())


def test_a_channel_crosses_threads_and_carries_the_error_that_ended_it():
    async def scene():
        channel = Channel[int](100, Policy.BLOCK, asyncio.get_running_loop())

        def work():
            for i in range(50):
                channel.put_nowait(i)
            channel.close(EngineError("broken"))

        threading.Thread(target=work).start()
        seen = []
        with pytest.raises(EngineError, match="broken"):
            async for item in channel:
                seen.append(item)
        assert seen == list(range(50))
        channel.put_nowait(1)  # ignored: closed

    asyncio.run(scene())


@dataclass(slots=True)
class DelayState(State):
    """held: (S, 1) the last input."""

    held: torch.Tensor


class Delay(Stage):
    """Answers with the input of one tick ago: a look-ahead of one."""

    lookahead = 1

    def init_state(self, slots):
        return DelayState(torch.zeros(slots, 1))

    def step(self, state, x):
        out = state.held.clone()
        state.held.copy_(x)
        return out


def test_lookaheads_add_up_and_fold_aligns():
    ticks = torch.arange(12.0).reshape(2, 6, 1)
    chain = Chain(Delay(), Delay())
    assert chain.lookahead == 2
    assert torch.equal(fold(chain, ticks), ticks)


def test_layout_names_every_number_once():
    assert len(set(layout.NAMES)) == layout.M == layout.E + 12
    assert layout.NAMES[layout.BLINK] == ("blinkLeft", "blinkRight")
    assert layout.vector(jawOpen=0.5)[layout.INDEX["jawOpen"]] == 0.5


def test_timings_have_percentiles():
    timings = Timings(8)
    assert timings.percentiles()["p50"] == 0.0
    for ms in range(20):
        timings.add_ns(ms * 1_000_000)
    assert timings.percentiles()["p50"] == 15.5
