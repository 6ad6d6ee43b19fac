"""`visema train gmtalker.generator`: the head generator learns a person from a folder of pairs.

    visema train gmtalker.generator --pairs RUN_DIR [--config small|paper|no_emn|FILE] [--set minutes=300]

Seeded (a batch is a function of seed and step) and resumable; in the run's folder lie curves.png, pictures.png (test
pairs: rendering, generated, wanted) and the checkpoint, in --out safetensors and a card beside them.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from engine.features.checkpoint import fit, read_checkpoint, save_checkpoint
from engine.training.loop import Figures
from engine.training.picture_figures import cpbd, psnr, ssim
from engine.training.run_log import RunLog
from plugins.gmtalker.generator.adversaries import Adversaries
from plugins.gmtalker.generator.convolution import calibrate, use_bytes
from plugins.gmtalker.generator.data import Batch, Pairs
from plugins.gmtalker.generator.settings import FOLDER, GeneratorSettings
from plugins.gmtalker.generator.sizes import choose_size, read_size, table_of
from plugins.gmtalker.generator.style_unet import StyleUNet, macs
from plugins.gmtalker.settings import read_as

MODEL = "gmtalker-generator"
WEIGHTS = Path(__file__).parents[1] / "generator.safetensors"
SHOWN, CALIBRATION = 4, 32  # test pairs in pictures.png; train pairs that ranges for 8 bits are found on


def save_generator(net: StyleUNet, path: Path, about: dict) -> None:
    """Write weights (fp16), size and whose portrait it is as safetensors."""
    save_checkpoint(path, MODEL, {"size": table_of(net.size), "about": about}, net.state_dict())


def load_generator(path: Path) -> tuple[StyleUNet, dict]:
    """A generator from its file, and about whom the file is. Raises WeightsError."""
    table, tensors = read_checkpoint(path, MODEL)
    net = StyleUNet(read_size(table["size"]))
    fit(net, tensors, path)
    return net.eval().requires_grad_(False), table["about"]


@torch.no_grad()
def judge(net: StyleUNet, pairs: Pairs, count: int, in_bytes: bool = False) -> Figures:
    """Means over the first pairs: PSNR and SSIM on the face, of the square, of the input; sharpness."""
    use_bytes(net, in_bytes)
    rows = [_figures(net, pairs.batch(torch.tensor([k]))) for k in range(min(count, len(pairs)))]
    use_bytes(net, False)
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]} | {"n": float(len(rows))}


def _figures(net: StyleUNet, batch: Batch) -> Figures:
    shown = (0.5 + 0.5 * net(batch.given, batch.shares)).clamp(0, 1)
    wanted, given, face = 0.5 + 0.5 * batch.wanted, 0.5 + 0.5 * batch.given[:, :3], batch.face[:, 0]
    return {
        "psnr": psnr(shown, wanted, face).item(), "psnr_input": psnr(given, wanted, face).item(),
        "ssim": ssim(shown, wanted, face).item(), "ssim_input": ssim(given, wanted, face).item(),
        "psnr_square": psnr(shown, wanted).item(), "psnr_square_input": psnr(given, wanted).item(),
        "cpbd": cpbd(_bytes(shown)), "cpbd_input": cpbd(_bytes(given)), "cpbd_wanted": cpbd(_bytes(wanted)),
    }  # fmt: skip


@torch.no_grad()
def picture(net: StyleUNet, pairs: Pairs, rows: Sequence[int]) -> np.ndarray:
    """Rendering, generated and wanted square of some pairs, one row each, uint8 (n Q, 3 Q, 3)."""
    out = []
    for row in rows:
        batch = pairs.batch(torch.tensor([row]))
        shown = net(batch.given, batch.shares)
        out.append(np.concatenate([_bytes(0.5 + 0.5 * x) for x in (batch.given[:, :3], shown, batch.wanted)], 1))
    return np.concatenate(out, 0)


def _bytes(x: torch.Tensor) -> np.ndarray:
    return (x[0].permute(1, 2, 0).clamp(0, 1) * 255 + 0.5).byte().numpy()


def find_ranges(net: StyleUNet, pairs: Pairs, seed: int) -> None:
    """What 8 bits must span, from some pairs and every emotion."""
    rows = np.random.default_rng(seed).permutation(len(pairs))[:CALIBRATION]

    def run() -> None:
        for k, row in enumerate(rows.tolist()):
            batch = pairs.batch(torch.tensor([row]))
            net(batch.given, batch.shares)
            net(batch.given, torch.eye(batch.shares.shape[1])[k % batch.shares.shape[1]][None])

    calibrate(net, run)


def train(folder: Path, run: Path, out: Path, settings: GeneratorSettings, resume: bool, command: str) -> Figures:
    """Train, write weights and card to `out`, return the figures on test pairs."""
    from PIL import Image

    torch.manual_seed(settings.seed)
    size = choose_size(settings.size, settings.emotions)
    pairs, test = Pairs(folder, run, size, "train"), Pairs(folder, run, size, "test")
    about = json.loads((folder / "scene.json").read_text(encoding="utf-8"))
    print(f"{len(pairs)} pairs, {len(test)} for tests; {macs(size) / 1e9:.2f} G multiplications a picture", flush=True)
    both, log = Adversaries(size, settings, run), RunLog(run)
    if resume:
        both.resume()

    def evaluate() -> Figures:
        net = both.averaged()
        find_ranges(net, pairs, settings.seed)
        figures = judge(net, test, settings.judged)
        figures["psnr_8bit"] = judge(net, test, settings.judged, in_bytes=True)["psnr"]
        save_generator(net, out, about)
        log.write(both.step, figures, "valid")
        log.draw(run / "curves.png")
        Image.fromarray(picture(net, test, range(min(SHOWN, len(test))))).save(run / "pictures.png")
        print(f"step {both.step}  {both.spent_s / 60:.1f} min  {_line(figures)}", flush=True)
        return figures

    while not both.ended:
        draw = np.random.default_rng((settings.seed, both.step))
        figures = both.learn(pairs.batch(torch.from_numpy(draw.integers(0, len(pairs), settings.batch))))
        if both.step % 20 == 0:
            log.write(both.step, figures)
            spent = f"{both.spent_s / 60:.1f} min  {both.cpu_s:.2f} s of a core a step"
            print(f"  {both.step}  {both.progress:.0%}  {spent}  {_line(figures)}", flush=True)
        if both.step % settings.evaluate_every == 0 and not both.ended:
            both.save()
            evaluate()
    both.save()
    figures = evaluate()
    _card(out, about, settings, figures, f"{len(pairs)} pairs, {both.step} steps, {both.spent_s / 60:.0f} min", command)
    return figures


def _card(out: Path, about: dict, settings: GeneratorSettings, figures: Figures, spent: str, command: str) -> None:
    perceptual = "VGG" if settings.vgg else "bands of detail and 1 - SSIM (no VGG weights were given)"
    lines = [
        "# Head generator of GMTalker", "",
        f"Draws {about['person']} in a picture of {about['size']} from the plain rendering. Learned from {spent}: the",
        f"person in offline quality ({about['scale']} x {about['scale']} samples a pixel), rendered by this engine.",
        f"Perceptual loss: {perceptual}.", "", "Made by", "", f"    {command}", "", "Settings:", "",
        *(f"- {name} = {value!r}" for name, value in settings.model_dump().items()), "",
        "Figures on test pairs (other voices, other texts):", "",
        *(f"- {name}: {value:.4g}" for name, value in figures.items()), "",
    ]  # fmt: skip
    out.with_suffix(".md").write_text("\n".join(lines), encoding="utf-8")


def _line(figures: Figures) -> str:
    return "  ".join(f"{name} {value:.3f}" for name, value in figures.items())


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="visema train gmtalker.generator", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--pairs", type=Path, required=True, help="a folder of `visema train gmtalker.pairs`")
    parser.add_argument("--config", metavar="NAME|FILE", help="small (default), paper, no_emn, or a TOML file")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="override a setting")
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    parser.add_argument("--run", type=Path, default=None, help="default: runs/gmtalker/generator and the configuration")
    parser.add_argument("--fresh", action="store_true", help="do not resume the run in --run")
    options = parser.parse_args(argv)
    torch.set_num_threads(1)
    settings = read_as(GeneratorSettings, FOLDER, options.config, options.set)
    kind = Path(options.config).stem if options.config else "small"
    run = options.run or Path("runs/gmtalker") / f"generator-{kind}"
    command = " ".join(["visema train gmtalker.generator", *(argv or [])])
    print(json.dumps(train(options.pairs, run, options.out, settings, not options.fresh, command), indent=1))


if __name__ == "__main__":
    main()
