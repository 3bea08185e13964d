"""Random density matrices for the tests of this room."""

from collections.abc import Callable

import numpy as np
import pytest


@pytest.fixture
def random_states() -> Callable[[int], np.ndarray]:
    """A function of n that returns n mixed states of two qubits, complex128[n, 4, 4], the same ones in every test."""

    def draw(count: int) -> np.ndarray:
        rng = np.random.default_rng(5)
        raw = rng.standard_normal((count, 4, 4)) + 1j * rng.standard_normal((count, 4, 4))
        positive = raw @ raw.conj().transpose(0, 2, 1)
        return positive / np.trace(positive, axis1=1, axis2=2)[:, None, None]

    return draw
