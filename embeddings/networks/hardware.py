"""Where a network runs and in which arithmetic, and what makes it as fast as that allows.

On a CPU each convolution is fused with the activation after it: those only move memory, and take
half of the time.
"""

import contextlib
import ctypes
import sys
from collections.abc import Iterator, Sequence
from contextvars import ContextVar

import torch
from torch import nn

from embeddings.errors import OptionError
from embeddings.records import Precision

OPENVINO = "openvino-cpu"  # as `ExtractorSpec.backend`
DTYPES = {"float32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
_PLAIN = ContextVar("plain", default=False)


def choose_device(device: str) -> torch.device:
    """Resolve ``auto`` to CUDA when there is a GPU.

    Raises
    ------
    OptionError
        ``cuda`` was asked for and there is none.
    """
    available = torch.cuda.is_available()
    if device == "cuda" and not available:
        raise OptionError("--device cuda: no CUDA device is visible; use --device cpu or auto")
    return torch.device("cuda" if available and device != "cpu" else "cpu")


def choose_backend(backend: str, device: str) -> tuple[str, torch.device]:
    """Resolve who computes, and where: ``torch-cuda``, ``torch-cpu`` or `OPENVINO`.

    Raises
    ------
    OptionError
        The device is not there.
    MissingExtraError
        OpenVINO is asked for and not installed.
    """
    if backend == "openvino":
        from embeddings.networks.by_openvino import check_openvino

        check_openvino()
        return OPENVINO, torch.device("cpu")
    found = choose_device(device)
    return f"torch-{found.type}", found


def choose_precision(precision: str, device: torch.device) -> Precision:
    """Resolve ``auto``: fp16 on a GPU, bf16 on a CPU that multiplies it in hardware, else float32.

    On GPUs fp16 keeps three bits more of the mantissa than bf16 at the same speed.

    Raises
    ------
    OptionError
        fp16 on a CPU: it is emulated there, slower than float32.
    """
    if precision == "auto":
        if device.type == "cuda":
            return "fp16"
        return "bf16" if _has_fast_bf16() else "float32"
    if precision == "fp16" and device.type == "cpu":
        raise OptionError("--precision fp16 needs a GPU; on a CPU use bf16 or float32")
    if precision not in DTYPES:
        raise OptionError(f"--precision {precision}: expected auto, float32, bf16 or fp16")
    return precision  # type: ignore[return-value]  # narrowed by the line above


def _has_fast_bf16() -> bool:
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


@contextlib.contextmanager
def plain_convolutions() -> Iterator[None]:
    """Let networks that are built meanwhile be of torch's own operations, which can be exported."""
    before = _PLAIN.set(True)
    try:
        yield
    finally:
        _PLAIN.reset(before)


def has_fused_convolutions(dtype: torch.dtype) -> bool:
    """Whether oneDNN's fused convolutions run here in this arithmetic.

    Builds of torch for x86 and ARM servers have them; in bf16 only a CPU with AVX-512 or the like
    runs them. Without, torch's own convolutions give the same features, slower.
    """
    ops = torch.ops.mkldnn
    if _PLAIN.get():
        return False
    if not torch.backends.mkldnn.is_available() or not hasattr(ops, "_convolution_pointwise_"):
        return False
    return dtype != torch.bfloat16 or bool(ops._is_mkldnn_bf16_supported())


def convolve(
    x: torch.Tensor, conv: nn.Conv2d, then: str = "relu", *, scalars: Sequence[float] = ()
) -> torch.Tensor:
    """Convolve and apply the activation in one pass over memory.

    Parameters
    ----------
    then : str
        As oneDNN calls it: "relu", "hardtanh" with its two bounds as scalars, "none".
    """
    y: torch.Tensor = torch.ops.mkldnn._convolution_pointwise(
        x, conv.weight, conv.bias, conv.padding, conv.stride, conv.dilation, conv.groups,
        then, list(scalars), "",
    )  # fmt: skip
    return y


def keep_freed_memory() -> None:
    """Tell glibc to keep freed blocks: a batch's activations are as large as the last one's.

    By default each is mapped and zeroed anew by the kernel, a quarter of the time of a bf16
    batch. Other C libraries have no such knob and are left alone.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        trim_threshold, mmap_threshold, one_gib = -1, -3, 1 << 30  # malloc.h's M_ constants
        mallopt(mmap_threshold, one_gib)
        mallopt(trim_threshold, one_gib)
