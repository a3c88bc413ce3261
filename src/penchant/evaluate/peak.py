"""How much memory a piece of work needs beyond what the process held before."""

from __future__ import annotations

import math
import re
from pathlib import Path
from types import TracebackType

_CLEAR = Path("/proc/self/clear_refs")
_STATUS = Path("/proc/self/status")
_RESET_PEAK = "5"


class PeakMemory:
    """The largest resident memory within the ``with`` block less that at its beginning, in megabytes of 10^6 bytes.

    Linux only, where a process may set its own high-water mark back; NaN elsewhere. What the allocator kept from earlier
    work and uses again is not seen.

    Source:
        proc(5), ``/proc/pid/clear_refs``, value 5: "reset the peak resident set size to the current value".
    """

    def __init__(self) -> None:
        self.mb = math.nan
        self._before = math.nan

    def __enter__(self) -> PeakMemory:
        try:
            _CLEAR.write_text(_RESET_PEAK)
            self._before = _kib("VmRSS")
        except OSError:
            self._before = math.nan
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if math.isfinite(self._before):
            self.mb = max(0.0, (_kib("VmHWM") - self._before) * 1024 / 1e6)


def _kib(name: str) -> float:
    found = re.search(rf"^{name}:\s+(\d+) kB", _STATUS.read_text(), re.MULTILINE)
    return float(found[1]) if found else math.nan
