"""Changes to an OpenVINO model before it is compiled: weights stored in fewer bits, convolutions as products.

One 40 ms tick multiplies every weight with two rows only, so the time goes into reading weights: a quarter of
the bytes is worth more than any kernel. Weights get one scale per output; activations stay fp32 between layers,
and the plugin quantizes them in small groups inside a product where the CPU multiplies bytes (VNNI). Tables that are
no learned weights (the log-mel's, the pitch's) are left alone: fp32.
"""

from typing import Any, Literal

import numpy as np

Precision = Literal["f32", "bf16", "int8"]
LINEAR = "aten::linear"
SMALLEST = 4096  # weights with fewer numbers are not worth it
MOST_FRAMES = 8  # of a convolution in groups; with more, multiplying takes longer than reading weights


def store_weights(model: Any, precision: Precision) -> int:
    """Weights of all linear layers in bf16 or int8, in place; how many were changed."""
    if precision == "f32":
        return 0
    # the name tells a layer from a table: what torch calls linear has learned weights
    products = [
        node for node in model.get_ops() if node.get_type_name() == "MatMul" and LINEAR in node.get_friendly_name()
    ]
    if precision == "int8":
        products += _convolutions_as_products(model) + _grouped_convolutions_as_products(model)
    changed = 0
    for product in products:
        weights = _constant(product.input_value(1))
        if weights is not None and weights.ndim == 2 and weights.size >= SMALLEST:
            product.input(1).replace_source_output(_bf16(weights) if precision == "bf16" else _int8(weights))
            changed += 1
    return changed


def _constant(value: Any) -> np.ndarray | None:
    """The numbers behind a value, if they are constant."""
    node = value.get_node()
    if node.get_type_name() == "Convert":
        node = node.input_value(0).get_node()
    return np.array(node.data, np.float32) if node.get_type_name() == "Constant" else None


def _int8(weights: np.ndarray) -> Any:
    """(outputs, inputs) as signed bytes with one scale per output (unsigned around 128 measured 5 % slower)."""
    from openvino import opset13 as op

    scale = np.maximum(np.abs(weights).max(1, keepdims=True), 1e-12) / 127.0
    stored = op.convert(op.constant(np.rint(weights / scale).astype(np.int8)), "f32")
    return op.multiply(stored, op.constant(scale.astype(np.float32))).output(0)


def _bf16(weights: np.ndarray) -> Any:
    """The same, rounded to bf16 and stored as such."""
    import openvino
    import torch
    from openvino import opset13 as op

    rounded = torch.from_numpy(weights).bfloat16()
    tensor = openvino.Tensor(openvino.Type.bf16, list(weights.shape))
    tensor.data[:] = rounded.view(torch.int16).numpy().view(tensor.data.dtype)
    return op.convert(openvino.op.Constant(tensor), "f32").output(0)


def _convolutions_as_products(model: Any) -> list[Any]:
    """Every wide 1-D convolution as slices of its input side by side, times one matrix: only products are quantized.

    Returns the products.
    """
    from openvino import opset13 as op

    turn, made = _whole(0, 2, 1), []
    for conv in _convolutions(model, "Convolution"):
        weights, x = _constant(conv.input_value(1)), conv.input_value(0)
        if weights is None or weights.ndim != 3 or weights.shape[1] < 16:
            continue
        outputs, channels, kernel = weights.shape
        stride, frames = int(conv.get_attributes()["strides"][0]), int(conv.get_output_shape(0)[2])
        rows = op.transpose(x, turn)
        taps = []
        for tap in range(kernel):
            bounds = (tap, tap + stride * (frames - 1) + 1, stride, 1)  # start, stop, step, axis
            taps.append(op.slice(rows, *map(_whole, bounds)))
        joined = op.concat(taps, 2) if kernel > 1 else taps[0]
        matrix = op.constant(weights.transpose(0, 2, 1).reshape(outputs, kernel * channels).copy())
        made.append(op.matmul(joined, matrix, transpose_a=False, transpose_b=True))
        _replace(conv, op.transpose(made[-1], turn))
    return made


def _grouped_convolutions_as_products(model: Any) -> list[Any]:
    """Every long 1-D convolution in groups that answers few frames, as one product for each group.

    HuBERT's positional convolution reads 65 taps for two frames: its time too goes into reading weights.
    Returns the products.
    """
    from openvino import opset13 as op

    made = []
    for conv in _convolutions(model, "GroupConvolution"):
        weights, x = _constant(conv.input_value(1)), conv.input_value(0)
        slots, _, frames = conv.get_output_shape(0)
        wide = weights is not None and weights.ndim == 4 and weights[0].size >= SMALLEST
        if weights is None or not wide or frames > MOST_FRAMES or conv.get_attributes()["strides"] != [1]:
            continue
        groups, outputs, channels, kernel = weights.shape
        size, time = kernel * channels, kernel + frames - 1
        # (slots, groups, time x channels): what a frame reads lies in one piece, that of the next one step further
        apart = op.transpose(op.reshape(x, _whole(slots, groups, channels, time), False), _whole(0, 1, 3, 2))
        line = op.reshape(apart, _whole(slots, groups, time * channels), False)
        starts = [t * channels for t in range(frames)]
        reads = [op.slice(line, _whole(at), _whole(at + size), _whole(1), _whole(2)) for at in starts]
        rows = op.concat([op.reshape(read, _whole(slots, groups, 1, size), False) for read in reads], 2)
        products = []
        for group in range(groups):
            own = op.slice(rows, _whole(group), _whole(group + 1), _whole(1), _whole(1))
            matrix = op.constant(weights[group].transpose(0, 2, 1).reshape(outputs, size).copy())
            own = op.reshape(own, _whole(slots, frames, size), False)
            products.append(op.matmul(own, matrix, transpose_a=False, transpose_b=True))
        _replace(conv, op.transpose(op.concat(products, 2), _whole(0, 2, 1)))
        made += products
    return made


def _convolutions(model: Any, kind: str) -> list[Any]:
    """Convolutions of a kind that are neither padded nor dilated."""
    found = [node for node in model.get_ops() if node.get_type_name() == kind]
    attributes = [(node, node.get_attributes()) for node in found]
    return [node for node, its in attributes
            if not any(its["pads_begin"]) and not any(its["pads_end"]) and its["dilations"] == [1]]  # fmt: skip


def _whole(*numbers: int) -> Any:
    """Whole numbers as a constant."""
    from openvino import opset13 as op

    return op.constant(np.array(numbers))


def _replace(old: Any, new: Any) -> None:
    for target in old.output(0).get_target_inputs():
        target.replace_source_output(new.output(0))
