"""Changing the sample rate: one low-pass filter for all pairs of rates, whole or in chunks.

The filter is a sinc under a Kaiser window, 128 samples of the lower rate long. Up to 0.9 of the lower rate's Nyquist
frequency it is flat; from that Nyquist frequency on it rejects by 100 dB, so that nothing audible folds back.

Output sample n lies at the time n / target_rate and weighs the input samples around it. Outputs are made in blocks: one
product of a run of input and a matrix of weights. Blocks are counted from the first output, whatever the chunks, so
that each output comes from the same product however the input is cut.
"""

from __future__ import annotations

from functools import lru_cache
from math import ceil, gcd, pi
from typing import TYPE_CHECKING

from .formats import AudioFormat

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

__all__ = ["Resampler", "resample"]

_HALF_WIDTH = 64  # of the filter, in samples of the lower rate
_REJECTION_DB = 100.0
_PHASES = 1024  # of the stored filter, per sample of the lower rate; going straight between them costs -130 dB

_MOST_OUTPUTS = 512  # of one block, unless it takes more until the weights repeat
_MOST_WEIGHTS = 1 << 20  # of one block: bounds memory (8 MB) where the two rates have little in common
_SLICE = 1 << 15  # input samples worked on at once: bounds memory for long input


class Resampler:
    """Turns chunks of float samples at one rate into samples at another, as if they were one run.

    What `process` and `flush` give, joined, is the same however the input is cut, lies in time where the input does,
    and has `round(n * target_rate / source_rate)` samples. `process` holds back the last 64 samples of the lower rate
    (4 ms at 16 kHz) until it knows what follows them. Equal rates give the input back. Samples must be finite.

    Not for use from two threads at once. Raises `ConfigurationError` for a rate outside 1000 to 384000 Hz.
    """

    def __init__(self, source_rate: int, target_rate: int) -> None:
        self.source_rate = AudioFormat("float32", source_rate).sample_rate
        self.target_rate = AudioFormat("float32", target_rate).sample_rate
        self._filter = None if source_rate == target_rate else _filter(source_rate, target_rate)
        self._reset()

    def process(self, samples: ArrayLike) -> NDArray[np.float32]:
        """The output that is certain after these input samples; may be empty."""
        import numpy as np

        chunk = np.asarray(samples, dtype=np.float32)
        if self._filter is None:
            return chunk
        slices = range(0, len(chunk), _SLICE)
        return _joined([self._advance(self._filter, chunk[at : at + _SLICE]) for at in slices])

    def flush(self) -> NDArray[np.float32]:
        """The rest of the output, with silence after the input. The resampler is then as new."""
        rest = _joined([])
        if self._filter is not None:
            rest = self._outputs(self._filter, round(self._received * self.target_rate / self.source_rate))
            self._reset()
        return rest

    def _reset(self) -> None:
        import numpy as np

        reach = self._filter.reach if self._filter else 0
        self._history = np.zeros(reach)  # input from sample number `_history_start` on; silence before number 0
        self._history_start = -reach
        self._received = 0
        self._done = 0

    def _advance(self, low_pass: _Filter, chunk: NDArray[np.float32]) -> NDArray[np.float32]:
        import numpy as np

        self._history = np.concatenate((self._history, chunk))
        self._received += len(chunk)
        return self._outputs(low_pass, low_pass.outputs_within(self._received))

    def _outputs(self, low_pass: _Filter, end: int) -> NDArray[np.float32]:
        """Outputs from the first not given yet up to `end`; the history is cut to what later ones need."""
        pieces = []
        while self._done < end:
            first = low_pass.block_start(self._done)
            block = low_pass.apply(self._history, low_pass.first_input(first) - self._history_start, first)
            pieces.append(block[self._done - first : end - first])
            self._done = min(end, first + len(block))
        self._forget(low_pass.first_input(low_pass.block_start(self._done)))
        return _joined(pieces)

    def _forget(self, before: int) -> None:
        self._history = self._history[max(0, before - self._history_start) :]
        self._history_start = max(before, self._history_start)


def resample(samples: ArrayLike, source_rate: int, target_rate: int) -> NDArray[np.float32]:
    """The same sound at another rate, `round(len(samples) * target_rate / source_rate)` float samples."""
    resampler = Resampler(source_rate, target_rate)
    return _joined([resampler.process(samples), resampler.flush()])


def _joined(pieces: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    import numpy as np

    return np.concatenate(pieces) if pieces else np.zeros(0, np.float32)


class _Filter:
    """The weights that make outputs of inputs for one pair of rates, in blocks of `block` outputs.

    Output n lies at input time `n * down / up` and needs `reach` inputs on either side. The weights repeat every `up`
    outputs; where a block holds whole such periods, all blocks share one matrix.
    """

    def __init__(self, source_rate: int, target_rate: int) -> None:
        common = gcd(source_rate, target_rate)
        self.up, self.down = target_rate // common, source_rate // common
        scale = min(1.0, target_rate / source_rate)
        self.reach = ceil(_HALF_WIDTH / scale)
        self._phases = _phases(self.reach, scale)
        outputs = max(1, min(self.reach * self.up // self.down, _MOST_OUTPUTS, _MOST_WEIGHTS // (4 * self.reach)))
        periodic = self.up * (2 * self.reach + self.down) <= _MOST_WEIGHTS
        self.block = max(1, outputs // self.up) * self.up if periodic else outputs
        self.span = 2 * self.reach + self.block * self.down // self.up + 1
        self._repeating = self._weights(0) if periodic else None

    def block_start(self, output: int) -> int:
        """The first output of the block that `output` is in."""
        return output // self.block * self.block

    def first_input(self, output: int) -> int:
        """The first input that `output` needs."""
        return output * self.down // self.up - self.reach + 1

    def outputs_within(self, received: int) -> int:
        """How many outputs need none but the first `received` inputs."""
        return max(0, -(-(received - self.reach) * self.up // self.down))

    def apply(self, history: NDArray[np.float64], begin: int, first: int) -> NDArray[np.float32]:
        """The block from output `first` on, of the inputs from `history[begin]` on and silence after the last."""
        import numpy as np

        inputs = history[begin : begin + self.span]
        if len(inputs) < self.span:
            inputs = np.concatenate((inputs, np.zeros(self.span - len(inputs))))
        weights = self._weights(first) if self._repeating is None else self._repeating
        return (inputs @ weights).astype(np.float32)

    def _weights(self, first: int) -> NDArray[np.float64]:
        """The weights of one block from output `first` on: a row for each input, a column for each output."""
        import numpy as np

        times = (first + np.arange(self.block)) * self.down
        inputs = (times // self.up - times[0] // self.up)[:, None] + np.arange(2 * self.reach)
        weights = np.zeros((self.block, self.span))
        weights[np.arange(self.block)[:, None], inputs] = self._taps(times % self.up / self.up)
        return weights.T

    def _taps(self, fractions: NDArray[np.float64]) -> NDArray[np.float64]:
        """A row of taps for each time past an input, given as a fraction of the way to the next."""
        import numpy as np

        places = fractions * (len(self._phases) - 1)
        below = places.astype(np.intp)
        part = (places - below)[:, None]
        return self._phases[below] * (1 - part) + self._phases[below + 1] * part


@lru_cache(maxsize=16)
def _filter(source_rate: int, target_rate: int) -> _Filter:
    return _Filter(source_rate, target_rate)


def _phases(reach: int, scale: float) -> NDArray[np.float64]:
    """Taps for evenly spaced times from one input (first row) to the next (last row). Each row adds up to 1."""
    import numpy as np

    fractions = np.linspace(0, 1, ceil(_PHASES * scale) + 1)
    rows = _low_pass((np.arange(1 - reach, reach + 1) - fractions[:, None]) * scale)
    return np.asarray(rows / rows.sum(axis=1, keepdims=True))


def _low_pass(distances: NDArray[np.float64]) -> NDArray[np.float64]:
    """The filter at these distances from its centre, in samples of the lower rate, by Kaiser's formulas."""
    import numpy as np

    beta = 0.1102 * (_REJECTION_DB - 8.7)
    transition = (_REJECTION_DB - 7.95) / (2.285 * 2 * pi * 2 * _HALF_WIDTH)  # as a part of the lower rate
    inside = np.maximum(0.0, 1 - (distances / _HALF_WIDTH) ** 2)
    window = np.where(inside > 0, np.i0(beta * np.sqrt(inside)), 0.0)
    return np.asarray(np.sinc((1 - transition) * distances) * window, dtype=np.float64)
