"""Hot loop of rating prediction by neighbours, compiled."""

from __future__ import annotations

import numpy as np
from numba import njit

from penchant.math.arrays import FloatArray, Int32Array, IntArray


@njit(cache=True)
def deviations(
    asked_start: IntArray,
    asked_row: Int32Array,
    asked_column: Int32Array,
    row_start: IntArray,
    row_column: Int32Array,
    row_value: FloatArray,
    column_start: IntArray,
    column_row: Int32Array,
    column_value: FloatArray,
    column_deviation: FloatArray,
    n_neighbours: int,
    shrinkage: float,
    doubt: float,
    negative: bool,
) -> FloatArray:
    """Return ``sum_v sim(u, v) d_vi / (sum_v |sim(u, v)| + doubt)`` of every question, NaN where no neighbour rated the column.

    ``sim(u, v) = x_u·x_v / (|x_u| |x_v|) * c / (c + shrinkage)``, everything over the ``c`` columns that both rated.

    Args:
        asked_start: The questions about row ``asked_row[g]`` are ``asked_start[g]:asked_start[g + 1]``.
        asked_row: Rows asked about, distinct.
        asked_column: Column of each question, shape ``(n,)``.
        row_start: Ratings of row ``u`` are ``row_start[u]:row_start[u + 1]``.
        row_column: Columns.
        row_value: What similarities are made of, ``x``.
        column_start: Ratings of column ``i`` are ``column_start[i]:column_start[i + 1]``.
        column_row: Rows.
        column_value: ``x``.
        column_deviation: Each rating less what was to be expected, ``d``.
        n_neighbours: Nearest rows that count, by ``|sim|``; the lower row first among equals.
        shrinkage: See above.
        doubt: See above.
        negative: Whether rows of negative similarity count.
    """
    n_rows = row_start.size - 1
    product, mine, theirs = np.zeros(n_rows), np.zeros(n_rows), np.zeros(n_rows)
    common = np.zeros(n_rows, np.int64)
    touched = np.empty(n_rows, np.int32)
    best, best_deviation = np.empty(n_neighbours), np.empty(n_neighbours)
    answer = np.full(asked_column.size, np.nan)
    for group in range(asked_row.size):
        u, n_touched = asked_row[group], 0
        for a in range(row_start[u], row_start[u + 1]):
            value = row_value[a]
            for b in range(column_start[row_column[a]], column_start[row_column[a] + 1]):
                v = column_row[b]
                if v == u:
                    continue
                if common[v] == 0:
                    touched[n_touched] = v
                    n_touched += 1
                common[v] += 1
                product[v] += value * column_value[b]
                mine[v] += value * value
                theirs[v] += column_value[b] * column_value[b]
        for t in range(n_touched):  # from here on product holds the similarity
            v = touched[t]
            length = np.sqrt(mine[v] * theirs[v])
            alike = product[v] / length * common[v] / (common[v] + shrinkage) if length > 0 else 0.0
            product[v] = alike if alike > 0 or negative else 0.0
        for question in range(asked_start[group], asked_start[group + 1]):
            column, kept = asked_column[question], 0
            for b in range(column_start[column], column_start[column + 1]):
                alike = product[column_row[b]]
                if column_row[b] == u or alike == 0.0:
                    continue
                if kept == n_neighbours:
                    if abs(alike) <= abs(best[kept - 1]):
                        continue
                    place = kept - 1
                else:
                    place = kept
                    kept += 1
                while place > 0 and abs(alike) > abs(best[place - 1]):
                    best[place] = best[place - 1]
                    best_deviation[place] = best_deviation[place - 1]
                    place -= 1
                best[place] = alike
                best_deviation[place] = column_deviation[b]
            if kept:
                answer[question] = (best[:kept] * best_deviation[:kept]).sum() / (np.abs(best[:kept]).sum() + doubt)
        for t in range(n_touched):
            v = touched[t]
            product[v], mine[v], theirs[v] = 0.0, 0.0, 0.0
            common[v] = 0
    return answer
