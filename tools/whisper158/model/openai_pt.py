# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Reads OpenAI's .pt: a pickle of {"dims": ..., "model_state_dict": ...}, which only PyTorch can read safely."""

from dataclasses import fields
from pathlib import Path
from typing import Any

from whisper158.errors import die
from whisper158.model.checkpoint import Array, Contents, Dims, FileTensors, check_dims, tensor_shapes


def _load(path: Path) -> dict[str, Any]:
    try:
        import torch
    except ImportError:
        die(f"{path}: PyTorch is needed to read .pt files", "install torch, or use the safetensors form of the model")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception as error:  # whatever a damaged archive makes PyTorch raise, which is nowhere listed
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        die(f"{path}: PyTorch cannot read it ({reason})", "is it truncated, or not a plain checkpoint?")
    if not isinstance(content, dict) or not {"dims", "model_state_dict"} <= content.keys():
        die(f"{path}: not an OpenAI checkpoint, which has dims and model_state_dict")
    return content


def _dims(path: Path, found: object) -> Dims:
    names = {field.name for field in fields(Dims)}
    if not isinstance(found, dict) or found.keys() != names:
        die(f"{path}: dims must have {', '.join(sorted(names))}")
    return Dims(**found)


def _array(path: Path, name: str, tensor: Any) -> Array:
    """A numpy view of a tensor; one that repeats its storage (stride 0) would take any amount of memory."""
    import torch

    plain = isinstance(tensor, torch.Tensor) and tensor.layout == torch.strided and tensor.device.type == "cpu"
    if not plain or tensor.dim() > 4:
        die(f"{path}: {name!r} in model_state_dict is not a plain tensor")
    if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
        die(f"{path}: tensor {name!r} is larger than its data")
    if tensor.dtype not in (torch.float16, torch.float32, torch.bfloat16):
        die(f"{path}: tensor {name!r} is {tensor.dtype}, expected float16, bfloat16 or float32")
    array: Array = (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).detach().resolve_neg().numpy()
    return array


def read(path: Path) -> Contents:
    """Read a .pt file; it has no vocabulary."""
    content = _load(path)
    dims = _dims(path, content["dims"])
    check_dims(dims, path)
    state = content["model_state_dict"]
    if not isinstance(state, dict):
        die(f"{path}: model_state_dict is not a dictionary")
    stock = FileTensors(path, {str(name): _array(path, str(name), tensor) for name, tensor in state.items()})
    tensors = {name: stock.take(name, shape) for name, shape in tensor_shapes(dims).items()}
    stock.drop("decoder.mask")
    stock.done()
    return Contents(dims, tensors, None, (path,))
