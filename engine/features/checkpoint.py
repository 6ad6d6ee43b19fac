"""Weight files: safetensors whose metadata names the model and its configuration."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import torch

from engine.errors import WeightsError

MODEL, CONFIG = "visema.model", "visema.config"


def save_checkpoint(
    path: Path, model: str, config: Mapping[str, object], tensors: Mapping[str, torch.Tensor], half: bool = True
) -> None:
    """Write weights (as fp16 unless half is false) with the model's name and configuration."""
    from safetensors.torch import save_file

    dtype = torch.float16 if half else torch.float32
    stored = {
        name: (t.detach().to(dtype) if t.is_floating_point() else t.detach()).contiguous().clone()
        for name, t in tensors.items()
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(stored, str(path), {MODEL: model, CONFIG: json.dumps(dict(config), sort_keys=True)})


def read_checkpoint(path: Path, model: str) -> tuple[dict, dict[str, torch.Tensor]]:
    """Configuration and fp32 tensors of a weight file that was made for `model`.

    Raises WeightsError: no such file, not safetensors, or made for another model.
    """
    from safetensors import SafetensorError, safe_open

    if not Path(path).is_file():
        raise WeightsError(f"{path}: no such weight file; expected safetensors weights of {model}")
    try:
        with safe_open(str(path), framework="pt") as file:
            meta = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path}: not a safetensors file ({error}); expected weights of {model}") from error
    if meta.get(MODEL) != model:
        raise WeightsError(
            f"{path}: these weights were made for {meta.get(MODEL, 'an unknown model')}, but {model} was asked for"
        )
    floats = {name: t.float() if t.is_floating_point() else t for name, t in tensors.items()}
    return json.loads(meta[CONFIG]), floats


def read_metadata(path: Path) -> dict[str, str]:
    """What a safetensors file says of itself; empty when it is none."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), framework="pt") as file:
            return dict(file.metadata() or {})
    except (SafetensorError, OSError):
        return {}


def fingerprint(module: torch.nn.Module, whole: bool = False) -> str:
    """Twelve hexadecimal digits that stand for a module's weights as they are stored (fp16).

    Names that begin as the module's `apart` lists, where it has one, count with `whole` only: no feature depends on
    those weights.
    """
    digest, apart = hashlib.sha256(), () if whole else getattr(module, "apart", ())
    for name, tensor in sorted(module.state_dict().items()):
        if name.startswith(tuple(apart)):
            continue
        stored = tensor.half() if tensor.is_floating_point() else tensor
        digest.update(name.encode() + stored.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:12]


def fit(module: torch.nn.Module, tensors: Mapping[str, torch.Tensor], path: Path) -> None:
    """Load tensors into the module. Raises WeightsError naming the first tensor that does not fit."""
    wanted = module.state_dict()
    for name in sorted(wanted.keys() | tensors.keys()):
        want = tuple(wanted[name].shape) if name in wanted else "no such tensor"
        have = tuple(tensors[name].shape) if name in tensors else "missing"
        if want != have:
            raise WeightsError(f"{path}: tensor {name} is {have}, this model needs {want}")
    module.load_state_dict(dict(tensors))
