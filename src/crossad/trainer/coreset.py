"""Greedy k-center selection for PatchCore's memory bank: the reference's index sequence, many times sooner.

The reference (anomalib's KCenterGreedy; Sener & Savarese, ICLR 2018) streams all N rows past every new
centre and takes the row whose distance to its nearest centre is largest, the lowest index among equals.
Those distances only shrink, so an old one is an upper bound (Minoux 1978) and most rows need not be looked
at for most picks:

* `value[i]` is the very float32 number the reference would hold for row i after the first `seen[i]`
  centres.
* A pool of up-to-date rows with the largest values is kept in step with every pick, by the reference's own
  operation. While its best exceeds every value outside, stale ones included, it is the reference's choice.
* Then the rows with the largest values meet the centres that they missed in one matrix product. It only
  says which (row, centre) pairs may hold a new minimum; those few are computed by the reference's own
  operation.

**Why no pair is overlooked.** Let u = 2^-24 and g(n) = n u / (1 - n u): n roundings change a sum of
products by at most g(n) times the sum of absolute values, in any order, fused or not (Higham 2002, lemma
3.1). For a row x and a centre c of d numbers let D = |x - c|^2, and r the reference's float32 norm of x -
c.

1. r^2 = D (1 + t) with |t| <= g(d + 4): 2 roundings from the squared difference, 1 from squaring, d - 1
   from the sum and 2 from the root, squared. With s = g(d + 8): (1 - s) D <= r^2 <= (1 + s) D.
2. The product works on x' = fl(x - m) and c' = fl(c - m) for one fixed m, so that L = |x'| + |c'| is small.
   Each is off by at most u of its length, so | |x' - c'|^2 - D | <= 2.01 u L^2.
3. p = fl(fl(|c'|^2) - 2 x'.c') has at most d + 2 roundings, on terms whose absolute values add up to at
   most L^2 - |x'|^2; |x'|^2 and |c'|^2 are summed in float64. With item 2: |p + |x'|^2 - D| <= E = g(d + 8)
   L^2.
4. So r^2 >= (1 - s)(p + |x'|^2 - E), and the row's new minimum v obeys v^2 <= h, where h is the smaller of
   its old value squared and (1 + s)(min p + |x'|^2 + E). A pair with p > h / (1 - s) + E - |x'|^2 has r >
   v.

Sums that are flushed to zero are covered by 8 d 2^-126 in E, and rows longer than 1e15, whose squares
might overflow, are refused. TF32 and other shortened products would break item 3; the trainer turns them off
(device.py).

Cost: at most N K d multiply-adds for K picks, half to two thirds of that in practice, at the speed of
matrix products. Memory beside the rows: 24 bytes a row and tiles of fixed size.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from crossad.errors import DataError
from crossad.trainer.detector import Randomness
from crossad.trainer.rows import Rows

LANE = 64  # columns of a tile that are looked at as one
UNIT_ROUNDOFF = 2.0**-24
SMALLEST_NORMAL = 2.0**-126
LARGEST = 1e15  # squares of sums stay finite in float32
JL_EPSILON = 0.9  # the reference's distortion


@dataclass(frozen=True)
class Sizes:
    """Trade of memory and launches against work; none changes a pick."""

    pool: int  # rows kept in step with every pick
    block: int  # rows brought up to date at once
    rows: int  # rows of a tile
    centres: int  # centres of a tile
    pairs: int  # pairs computed at once
    burst: int  # picks between two looks at the outcome: on a GPU a look stalls the device


CPU = Sizes(pool=512, block=6144, rows=2048, centres=1024, pairs=4096, burst=8)
CUDA = Sizes(pool=8192, block=131072, rows=16384, centres=8192, pairs=65536, burst=256)


def select(features: Rows, count: int, randomness: Randomness) -> Tensor:
    """Indices (count,) of a coreset of rows (N, D): project, start at random, then greedy.

    The random projection is the reference's (Li, Hastie & Church, KDD 2006) where it shortens rows. Where it
    would lengthen them, which the reference does not mind, distances are the features' own.
    """
    draw = randomness.numpy("coreset")
    first = int(draw.integers(len(features)))
    components = johnson_lindenstrauss(len(features))
    matrix = projection(components, features.width, draw).to(features.device)
    width = min(components, features.width)
    reduced = torch.empty((len(features), width), device=features.device)
    start = 0
    for block in features.blocks():  # blocks of fixed size: the same bits whatever the batches were
        reduced[start : start + len(block)] = block @ matrix.T if width == components else block
        start += len(block)
    return k_center_greedy(reduced, count, first)


def johnson_lindenstrauss(rows: int, epsilon: float = JL_EPSILON) -> int:
    """Width that keeps the distances of so many rows within 1 +- epsilon (Dasgupta & Gupta 2003)."""
    return max(1, int(4 * math.log(rows) / (epsilon**2 / 2 - epsilon**3 / 3)))


def projection(components: int, width: int, draw: np.random.Generator) -> Tensor:
    """A sparse random projection (components, width): 0, or +-scale with probability width^-.5."""
    density = 1 / math.sqrt(width)
    chosen = draw.random((components, width)) < density
    signs = draw.integers(0, 2, (components, width)) * 2 - 1
    scale = math.sqrt(1 / density) / math.sqrt(components)
    return torch.from_numpy((chosen * signs * scale).astype(np.float32))


def distances(rows: Tensor, centres: Tensor) -> Tensor:
    """Distances (n,) of rows (n, d) to a centre (d,) or to their own (n, d), by the reference's operation.

    On the CPU a row's result does not depend on the other rows (tests/trainer/test_coreset.py).
    """
    found: Tensor = torch.linalg.norm(rows - centres, ord=2, dim=1)
    return found


def k_center_greedy(features: Tensor, count: int, first: int, sizes: Sizes | None = None) -> Tensor:
    """Greedy k-center picks (count,) from rows (N, d) float32, starting with row `first`.

    Raises:
        ValueError: `count` or `first` does not fit N.
        DataError: a feature is not finite, or too large to be squared.
    """
    if not (1 <= count <= len(features) and 0 <= first < len(features)):
        raise ValueError(f"count {count}, first {first}: allowed 1 to {len(features)}, 0 to {len(features) - 1}")
    sizes = sizes or (CUDA if features.is_cuda else CPU)
    return _Selection(features.contiguous(), count, sizes).run(first)


class _Selection:
    """The state of one selection; the module's text says what its numbers mean."""

    def __init__(self, features: Tensor, count: int, sizes: Sizes) -> None:
        rows, width = features.shape
        self.features, self.sizes, self.count = features, sizes, count
        self.relative, self.flushed = _gamma(width + 8), 8 * width * SMALLEST_NORMAL
        self.tile = torch.empty(0, device=features.device)
        self.mean = features.mean(0)
        self.squares = torch.cat(
            [self._centred(part).double().pow(2).sum(1) for part in torch.split(features, sizes.rows)]
        )
        self.longest = self.squares.max().sqrt()
        if not float(self.longest) < LARGEST:
            raise DataError(
                "features that are not finite, or too large to compare",
                hint="look at the training images with 'crossad data check'",
            )
        self.value = torch.full((rows,), torch.inf, device=features.device)
        self.seen = torch.zeros(rows, dtype=torch.int32, device=features.device)
        self.picks = torch.zeros(count, dtype=torch.long, device=features.device)

    def run(self, first: int) -> Tensor:
        self.picks[0] = first
        done = 1
        if self.count > 1:
            self._refresh(torch.arange(len(self.features), device=self.features.device), done)
        while done < self.count:
            pool, outside = self._pool(done)
            done = self._pick(pool, outside, done)
        return self.picks

    def _pick(self, pool: Tensor, outside: Tensor, done: int) -> int:
        """Pick from the pool (p,), indices ascending, while its best exceeds `outside`; picks so far."""
        features, value = self.features[pool], self.value[pool]
        while done < self.count:
            burst = min(self.sizes.burst, self.count - done)
            before, best = value.clone(), torch.empty(burst, device=value.device)
            for step in range(burst):
                best[step], at = value.max(0)  # the first of equals
                centre = features.index_select(0, at[None])
                self.picks[done + step] = pool.index_select(0, at[None])[0]
                torch.minimum(value, distances(features, centre), out=value)
            sure = int((best > outside).cumprod(0).sum())
            if sure < burst:
                self.value[pool], self.seen[pool] = before, done
                return done + sure
            done += burst
        return done

    def _pool(self, now: int) -> tuple[Tensor, Tensor]:
        """Up-to-date rows with the largest values, indices ascending, and the largest value of all others."""
        while True:
            block = min(self.sizes.block, len(self.value))
            values, rows = self.value.topk(min(block + 1, len(self.value)))
            rest = values[block] if len(values) > block else values.new_tensor(-torch.inf)
            rows = rows[:block]
            self._refresh(rows, now)
            fresh, order = self.value[rows].sort(descending=True)
            size = min(self.sizes.pool, int((fresh > rest).sum()))
            outside = torch.maximum(rest, fresh[size]) if size < block else rest
            if fresh[0] > outside:
                return rows[order[:size]].sort().values, outside
            if fresh[0] == outside:  # more equals than a pool holds, such as copies of one patch
                tied = (self.value == outside).nonzero()[:, 0]
                self._refresh(tied, now)
                if (self.value[tied] == outside).all():
                    # the lowest indices come first, so equals outside the pool may wait
                    return tied[: self.sizes.pool], torch.nextafter(outside, outside.new_tensor(-torch.inf))

    def _refresh(self, rows: Tensor, now: int) -> None:
        """Bring the values of rows (m,) up to date with the first `now` picks."""
        rows = rows[self.seen[rows] < now]
        if not len(rows):
            return
        rows = rows[self.seen[rows].argsort()]  # those that missed equally much meet the same centres
        for group in torch.split(rows, self.sizes.rows):
            features = functional.pad(self._centred(self.features[group]), (0, 1), value=1.0)
            value = self.value[group]
            missed = self.picks[int(self.seen[group].min()) : now]
            for picks in torch.split(missed, self.sizes.centres):
                self._meet(group, features, picks, value)
            self.value[group], self.seen[group] = value, now

    def _meet(self, rows: Tensor, features: Tensor, picks: Tensor, value: Tensor) -> None:
        """Lower the values (m,) of rows (m,), features (m, d + 1), by their distances to picks (k,)."""
        squares = self.squares[rows]
        whole = torch.arange(-(-len(picks) // LANE) * LANE, device=picks.device)
        picks = picks[whole.clamp_max(len(picks) - 1)]  # the last pick fills the last lane
        centres = torch.cat([-2 * self._centred(self.features[picks]), self.squares[picks, None].float()], 1)
        product = torch.mm(features, centres.T, out=self._tile(len(rows), len(picks)))
        lanes = product.view(len(rows), -1, LANE)
        lowest = lanes.amin(2)
        error = self.relative * (squares.sqrt() + self.longest) ** 2 + self.flushed
        high = (1 + self.relative) * (lowest.amin(1).double() + squares + error)
        high = torch.minimum(high, value.double() ** 2)
        limit = (high / (1 - self.relative) + error - squares).float()
        limit = torch.nextafter(limit, limit.new_tensor(torch.inf))
        near, lane = (lowest <= limit[:, None]).nonzero(as_tuple=True)
        one, at = (lanes[near, lane] <= limit[near, None]).nonzero(as_tuple=True)
        which, at = near[one], lane[one] * LANE + at
        pairs = zip(torch.split(which, self.sizes.pairs), torch.split(at, self.sizes.pairs), strict=True)
        for one, other in pairs:
            exact = distances(self.features[rows[one]], self.features[picks[other]])
            value.scatter_reduce_(0, one, exact, "amin")

    def _tile(self, rows: int, columns: int) -> Tensor:
        """Room for a product, the same each time: new memory would cost a page fault every 4 kB."""
        if self.tile.numel() < rows * columns:
            self.tile = torch.empty(rows * columns, device=self.tile.device)
        return self.tile[: rows * columns].view(rows, columns)

    def _centred(self, features: Tensor) -> Tensor:
        return features - self.mean


def _gamma(roundings: int) -> float:
    return roundings * UNIT_ROUNDOFF / (1 - roundings * UNIT_ROUNDOFF)
