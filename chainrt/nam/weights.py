"""Cutting a .nam's flat list of weights into arrays, in the order in which they stand in the file.

Rule: every float of the file has a place; one too many or too few is a fault.
"""

import math
from collections.abc import Iterator, Sequence

import numpy as np

from .file import Document


def cut(document: Document, shapes: Sequence[tuple[int, ...]]) -> Iterator[np.ndarray]:
    """The weights of `document` as read-only float32 arrays of these shapes; ModelError if they do not fit exactly."""
    sizes = [math.prod(shape) for shape in shapes]
    there, needed = len(document.weights), sum(sizes)
    if there != needed:
        raise document.node["weights"].fault(f"{there} weights, but the configuration needs {needed}")
    pieces = np.split(document.weights, np.cumsum(sizes))
    return (piece.reshape(shape) for piece, shape in zip(pieces, shapes, strict=False))
