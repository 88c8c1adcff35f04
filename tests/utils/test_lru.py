"""The cache computes each unknown key once, keeps the most recently used, and travels empty."""

import copy
import pickle

import pytest

from vip_core.utils.lru import LRU


@pytest.fixture
def calls():
    return []


@pytest.fixture
def double(calls):
    def compute(keys):
        calls.append(keys)
        return [2 * key for key in keys]

    return compute


def test_get_computes_each_unknown_key_once_and_keeps_the_order(calls, double):
    cache: LRU[int, int] = LRU(10)
    assert cache.get([3, 1, 3], double) == [6, 2, 6]
    assert cache.get([1, 2, 3], double) == [2, 4, 6]
    assert cache.get([2, 1], double) == [4, 2]
    assert calls == [[3, 1], [2]]


def test_get_drops_the_least_recently_used(calls, double):
    cache: LRU[int, int] = LRU(2)
    cache.get([1, 2], double)
    cache.get([1], double)
    cache.get([3], double)
    cache.get([1, 3], double)
    assert calls == [[1, 2], [3]]
    cache.get([2], double)
    assert calls[-1] == [2]


def test_get_gives_more_values_than_it_keeps(double):
    assert LRU(2).get(list(range(5)), double) == [0, 2, 4, 6, 8]


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda cache: pickle.loads(pickle.dumps(cache))])
def test_lru_is_copied_and_pickled_empty(calls, double, copied):
    cache: LRU[int, int] = LRU(5)
    cache.get([1], double)
    again = copied(cache)
    assert again.size == 5 and again.get([1], double) == [2]
    assert calls == [[1], [1]]
