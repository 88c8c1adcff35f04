"""Areas under the ROC and precision-recall curves, fast enough for a thousand resamples."""

import numpy as np
from numpy.typing import ArrayLike, NDArray


class SortedScores:
    """Columns of scores, sorted once, whose areas are then quickly found for any weights of the images.

    Args:
        scores: (n,) or (n, K).
        truth: (n,) for all columns, or (n, K); true for the images that should rank high.
    """

    def __init__(self, scores: ArrayLike, truth: ArrayLike):
        values, positive = np.asarray(scores), np.asarray(truth, dtype=bool)
        values = values[:, None] if values.ndim == 1 else values
        positive = positive[:, None] if positive.ndim == 1 else positive
        self._columns = [
            _sort(values[:, k], positive[:, min(k, positive.shape[1] - 1)]) for k in range(values.shape[1])
        ]

    def auroc(self, weights: NDArray) -> NDArray:
        """AUROC (K,) of images that each count `weights` (n,) times; NaN for a column without one of the two sides.

        It is the share of pairs in which the positive image has the higher score, ties counting half: the statistic of
        Mann and Whitney (Annals of Mathematical Statistics 1947).
        """
        values = np.empty(len(self._columns))
        for k, (order, rows, below, through) in enumerate(self._columns):
            total = np.concatenate(([0], np.cumsum(weights[order])))
            own = weights[rows]
            positives = own.sum()
            pairs = positives * (total[-1] - positives)
            # Each positive is taken with all images before it in the order; among themselves positives win half.
            won = (own * (total[below] + total[through])).sum() / 2 - positives * positives / 2
            values[k] = won / pairs if pairs else np.nan
        return values

    def average_precision(self, weights: NDArray) -> NDArray:
        """Average precision (K,), the area under the steps of the precision-recall curve; NaN without positives."""
        values = np.empty(len(self._columns))
        for k, (order, rows, below, _) in enumerate(self._columns):
            total = np.concatenate(([0], np.cumsum(weights[order])))
            starts, group = np.unique(below, return_inverse=True)  # of the tied scores that have a positive
            found = np.bincount(group, weights[rows], len(starts))  # positives of each group
            recalled = found[::-1].cumsum()[::-1]  # positives from that score up
            called = np.maximum(total[-1] - total[starts], 1)
            positives = found.sum()
            values[k] = (found * recalled / called).sum() / positives if positives else np.nan
        return values


def _sort(scores: NDArray, positive: NDArray) -> tuple[NDArray, NDArray, NDArray, NDArray]:
    """The order of the scores, and for each positive: its row, how many rank below it, how many up to its ties."""
    order = np.argsort(scores, kind="stable")
    ranked, rows = scores[order], np.flatnonzero(positive)
    below = np.searchsorted(ranked, scores[rows], side="left")
    through = np.searchsorted(ranked, scores[rows], side="right")
    return order, rows, below, through


def auroc(scores: ArrayLike, truth: ArrayLike) -> NDArray:
    """AUROC (K,) of the columns of scores (n, K), or (1,) of scores (n,); see `SortedScores`."""
    return SortedScores(scores, truth).auroc(np.ones(len(np.asarray(truth)), dtype=np.int64))
