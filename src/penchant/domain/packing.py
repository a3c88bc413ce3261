"""States and models as bytes: a format number, plain values and arrays in MessagePack; never pickle."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np

from penchant.errors import FormatError

_DTYPES = {"f8", "f4", "i8", "i4", "i1", "b1"}


def pack(format_number: int, fields: Mapping[str, Any]) -> bytes:
    """Return ``fields`` (plain values and numpy arrays) as bytes.

    >>> unpack(pack(1, {"a": np.arange(2, dtype=np.int32), "b": "x"}), 1)["a"]
    array([0, 1], dtype=int32)
    """
    return msgspec.msgpack.encode([format_number, {name: _plain(value) for name, value in fields.items()}])


def unpack(data: bytes, format_number: int) -> dict[str, Any]:
    """Return the fields that ``pack`` wrote.

    Raises:
        FormatError: When the bytes are damaged, or written in another format.
    """
    try:
        found, fields = msgspec.msgpack.decode(data)
        if found != format_number:
            raise FormatError(
                f"format {found!r} given; this version reads format {format_number}; rebuild from the log"
            )
        return {name: _array(value) for name, value in fields.items()}
    except (msgspec.DecodeError, ValueError, TypeError, KeyError, AttributeError) as error:
        if isinstance(error, FormatError):
            raise
        raise FormatError(f"damaged bytes ({error}); rebuild from the log") from error


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        kind = value.dtype.str[1:]
        if kind not in _DTYPES:
            raise FormatError(f"cannot pack an array of {value.dtype}; allowed: {', '.join(sorted(_DTYPES))}")
        return {"": kind, "s": value.shape, "b": np.ascontiguousarray(value).tobytes()}
    return value


def _array(value: Any) -> Any:
    if isinstance(value, dict) and "" in value:
        if value[""] not in _DTYPES:
            raise FormatError(f"unknown array type {value['']!r}")
        return np.frombuffer(value["b"], dtype="<" + value[""]).reshape(value["s"]).copy()
    return value
