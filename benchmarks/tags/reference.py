"""The plain C kernels: built at run time, called through ctypes (which gives up Python's lock, as our kernels do)."""

import ctypes
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np

_I64, _U8, _POINTER = ctypes.c_int64, ctypes.c_uint8, ctypes.c_void_p


class Reference:
    """``kernels.c`` with numpy arrays. ``times`` int64[n], ``channels`` uint8[n]."""

    def __init__(self) -> None:
        gcc = shutil.which("gcc")
        if gcc is None:
            raise SystemExit("gcc is not installed; the figures are ratios to C kernels it builds")
        source = Path(__file__).with_name("kernels.c")
        with tempfile.TemporaryDirectory() as folder:
            library = Path(folder) / "kernels.so"
            subprocess.run([gcc, "-O3", "-march=native", "-shared", "-fPIC", "-o", library, source], check=True)
            self._c = ctypes.CDLL(str(library))
        self._c.two_fold.restype = self._c.four_fold.restype = _I64

    def two_fold(self, times: np.ndarray, channels: np.ndarray, window: int) -> int:
        return self._c.two_fold(_at(times), _at(channels), _I64(len(times)), _I64(window), _U8(0), _U8(1))

    def all_pairs(self, times: np.ndarray, channels: np.ndarray, window: int) -> np.ndarray:
        """Return int64[16, 16] by (later, earlier) channel."""
        pairs = np.zeros((16, 16), np.int64)
        self._c.all_pairs(_at(times), _at(channels), _I64(len(times)), _I64(window), _at(pairs))
        return pairs

    def four_fold(self, times: np.ndarray, channels: np.ndarray, window: int) -> int:
        return self._c.four_fold(_at(times), _at(channels), _I64(len(times)), _I64(window))

    def histogram(self, times: np.ndarray, channels: np.ndarray, bin_ps: int, span: int) -> np.ndarray:
        counts = np.zeros(2 * span // bin_ps, np.int64)
        words = _U8(0), _U8(1), _I64(bin_ps), _I64(span), _at(counts)
        self._c.histogram(_at(times), _at(channels), _I64(len(times)), *words)
        return counts

    def merge_eight(self, times: list[np.ndarray], channels: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        sizes = np.array([len(t) for t in times])
        (t, s), (c, r) = np.empty((2, sizes.sum()), np.int64), np.empty((2, sizes.sum()), np.uint8)
        inputs = [(_POINTER * 8)(*[each.ctypes.data for each in arrays]) for arrays in (times, channels)]
        self._c.merge_eight(*inputs, _at(sizes), _at(t), _at(c), _at(s), _at(r))
        return t, c


def _at(array: np.ndarray) -> ctypes.c_void_p:
    return _POINTER(array.ctypes.data)
