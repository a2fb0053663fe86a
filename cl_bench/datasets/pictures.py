"""Pictures as arrays: what they are is checked before Pillow decodes them."""

from __future__ import annotations

import io
import struct
import warnings

import numpy as np

SIGNATURE = b"\x89PNG\r\n\x1a\n"
FORMATS = ("PNG", "JPEG", "GIF", "BMP", "PPM", "TIFF", "WEBP")  # of a user's own pictures
LARGEST_SIDE = 2**13  # pixels


def decode_png(content: bytes, size: tuple[int, int], mode: str) -> np.ndarray:
    """A PNG of exactly ``size`` (width, height) in Pillow's ``mode``; ``ValueError`` if it is not.

    Its header is read here, so that no other format's code and no larger picture is met with.
    """
    if content[:8] != SIGNATURE or content[8:16] != b"\x00\x00\x00\rIHDR" or len(content) < 24:
        raise ValueError("not a PNG picture")
    found = struct.unpack(">II", content[16:24])
    if found != size:
        raise ValueError(f"is {found[0]}x{found[1]}, not {size[0]}x{size[1]} pixels")
    return _decoded(content, ("PNG",), mode)


def decode(content: bytes, mode: str, side: tuple[int, int] | None = None) -> np.ndarray:
    """A picture of a user's own in Pillow's ``mode``; scaled to ``side`` (width, height) if given.

    ``ValueError`` for what is none of FORMATS, or larger than 8192 pixels on a side.
    """
    return _decoded(content, FORMATS, mode, side)


def _decoded(
    content: bytes, formats: tuple[str, ...], mode: str, side: tuple[int, int] | None = None
) -> np.ndarray:
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(content), formats=formats) as picture:
                if max(picture.size) > LARGEST_SIDE:
                    raise ValueError(f"is larger than {LARGEST_SIDE} pixels")
                plain = picture.convert(mode)
                if side is not None and plain.size != side:
                    plain = plain.resize(side, Image.Resampling.BILINEAR)
                return np.asarray(plain)
    except Exception as error:  # Pillow has many kinds for a damaged picture, SyntaxError too
        reason = " ".join(str(error).split())
        # it names the memory address of what it could not identify
        raise ValueError(
            "not a picture" if "cannot identify" in reason else reason or "damaged"
        ) from None


class Pictures:
    """Pictures of one size, decoded one after the other; ``ValueError`` names one that is not.

    ``grey``: (H, W) instead of (3, H, W). ``size``: every picture is scaled to this square.
    """

    def __init__(self, size: int | None, grey: bool) -> None:
        self._mode = "L" if grey else "RGB"
        self._side = None if size is None else (size, size)
        self._found: list[np.ndarray] = []

    def add(self, name: str, content: bytes) -> None:
        try:
            picture = decode(content, self._mode, self._side)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
        if self._found and picture.shape != self._found[0].shape:
            (height, width), (first_height, first_width) = picture.shape[:2], self._shape
            raise ValueError(
                f"{name}: is {width}x{height} pixels, others are {first_width}x{first_height}; "
                "scale all of them with dataset.read.size=N"
            )
        self._found.append(picture)

    def stack(self) -> np.ndarray:
        """uint8 (N, H, W) or (N, 3, H, W)."""
        whole = np.stack(self._found)
        return whole if whole.ndim == 3 else np.ascontiguousarray(whole.transpose(0, 3, 1, 2))

    @property
    def _shape(self) -> tuple[int, ...]:
        return self._found[0].shape[:2]
