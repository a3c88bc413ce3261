"""A training on disk: written beside and renamed, read only by the very same training."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from penchant.domain.packing import pack, unpack
from penchant.errors import FormatError
from penchant.interest.models.sequence.network import load

if TYPE_CHECKING:
    from penchant.interest.models.sequence.training import Trainer

FORMAT = 1


class Checkpoint:
    """The file of one training in a folder.

    ``fingerprint`` says which training it is: configuration, seed and data. A file of another one, or a damaged one, is
    left out of account and written over.
    """

    def __init__(self, folder: str, name: str, fingerprint: str) -> None:
        self.path = Path(folder) / f"{name}.training"
        self.fingerprint = fingerprint

    def write(self, trainer: Trainer) -> None:
        """Write where the training stands; a crash leaves the file before it."""
        state = trainer.state
        adam = {str(n): _flat(values) for n, values in trainer.optimizer.state_dict()["state"].items()}
        data = pack(
            FORMAT,
            {
                "fingerprint": self.fingerprint,
                "epoch": state.epoch,
                "step": state.step,
                "best_score": state.best_score,
                "best_epoch": state.best_epoch,
                "weights": _flat(trainer.network.state_dict()),
                "best": _flat(state.best),
                "averaged": _flat(state.averaged),
                "adam": adam,
            },
        )
        self.path.parent.mkdir(parents=True, exist_ok=True)
        beside = self.path.with_suffix(".part")
        with beside.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self.path)

    def read(self, trainer: Trainer) -> bool:
        """Put the training where the file says; return whether it did."""
        try:
            fields = unpack(self.path.read_bytes(), FORMAT)
        except (OSError, FormatError):
            return False
        if fields["fingerprint"] != self.fingerprint:
            return False
        device, state = trainer.task.device, trainer.state
        load(trainer.network, _tensors(fields["weights"], device))
        optimizer = trainer.optimizer.state_dict()
        optimizer["state"] = {int(n): _tensors(values, device) for n, values in fields["adam"].items()}
        trainer.optimizer.load_state_dict(optimizer)
        state.epoch, state.step = fields["epoch"], fields["step"]
        state.best_score, state.best_epoch = fields["best_score"], fields["best_epoch"]
        state.best, state.averaged = _tensors(fields["best"], device), _tensors(fields["averaged"], device)
        return True

    def remove(self) -> None:
        """Remove the file: the training is over."""
        self.path.unlink(missing_ok=True)


def _flat(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value.detach().cpu().numpy() for name, value in values.items()}


def _tensors(values: dict[str, np.ndarray[Any, Any]], device: str) -> dict[str, Tensor]:
    return {name: torch.from_numpy(value).to(device) for name, value in values.items()}
