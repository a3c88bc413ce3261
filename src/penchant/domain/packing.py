"""States and models as bytes: a checksum, a format number, plain values and arrays in MessagePack; never pickle."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np

from penchant.errors import FormatError

_DTYPES = {"f8", "f4", "i8", "i4", "i2", "i1", "u4", "u2", "b1"}
_ARRAY = 1
"""Code of the MessagePack extension that holds an array: its type, shape and bytes."""


def pack(format_number: int, fields: Mapping[str, Any]) -> bytes:
    """Return ``fields`` (plain values and numpy arrays, nested as they like) as bytes.

    >>> unpack(pack(1, {"a": np.arange(2, dtype=np.int32), "b": "x"}), 1)["a"]
    array([0, 1], dtype=int32)
    """
    content = msgspec.msgpack.encode([format_number, dict(fields)], enc_hook=_plain)
    return zlib.crc32(content).to_bytes(4, "big") + content


def unpack(data: bytes, format_number: int) -> dict[str, Any]:
    """Return the fields that ``pack`` wrote.

    Raises:
        FormatError: When the bytes are damaged, or written in another format.
    """
    content = data[4:]
    if zlib.crc32(content).to_bytes(4, "big") != data[:4]:
        raise FormatError("damaged bytes (their checksum is another); rebuild from the log")
    try:
        found, fields = msgspec.msgpack.decode(content, ext_hook=_array)
        if found != format_number:
            raise FormatError(
                f"format {found!r} given; this version reads format {format_number}; rebuild from the log"
            )
        return dict(fields)
    except (msgspec.DecodeError, ValueError, TypeError, KeyError, AttributeError) as error:
        if isinstance(error, FormatError):
            raise
        raise FormatError(f"damaged bytes ({error}); rebuild from the log") from error


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        kind = value.dtype.str[1:]
        if kind not in _DTYPES:
            raise FormatError(f"cannot pack an array of {value.dtype}; allowed: {', '.join(sorted(_DTYPES))}")
        parts = (kind, value.shape, np.ascontiguousarray(value).tobytes())
        # An extension type: no plain value, whatever names it holds, can be taken for an array.
        return msgspec.msgpack.Ext(_ARRAY, msgspec.msgpack.encode(parts))
    raise FormatError(f"cannot pack {type(value).__name__}; allowed: plain values and arrays")


def _array(code: int, data: memoryview) -> Any:
    if code != _ARRAY:
        raise FormatError(f"unknown extension {code}")
    kind, shape, content = msgspec.msgpack.decode(data)
    if kind not in _DTYPES:
        raise FormatError(f"unknown array type {kind!r}")
    return np.frombuffer(content, dtype="<" + kind).reshape(shape).copy()
