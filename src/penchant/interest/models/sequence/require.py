"""torch, which is optional and slow to import: loaded when it is needed."""

from __future__ import annotations

from typing import Any

from penchant.errors import ConfigError, NotInstalledError


def load_torch() -> Any:
    """Return the module torch.

    Raises:
        NotInstalledError: When it is missing.
    """
    try:
        import torch
    except ImportError as error:
        raise NotInstalledError("torch, which sequence models need,", "pip install 'penchant[deep]'") from error
    return torch


def choose_device(wanted: str) -> str:
    """Return ``cpu`` or ``cuda``; ``auto`` is a GPU when there is one.

    Raises:
        ConfigError: When a GPU is asked for and there is none.
    """
    there = load_torch().cuda.is_available()
    if wanted == "cuda" and not there:
        raise ConfigError("device 'cuda' given, and torch sees no GPU; allowed here: 'auto' or 'cpu'")
    if wanted == "auto":
        return "cuda" if there else "cpu"
    return wanted
