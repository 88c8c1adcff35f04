"""Packed prompts: the positions and the mask of the worked example, and of prompts in general."""

import torch

from vip_core.models.towers.packing import pack

CPU = torch.device("cpu")


def test_pack_gives_the_worked_example_of_its_docstring():
    packed = pack(1, [2, 3], CPU)
    assert packed.positions.tolist() == [0, 1, 2, 1, 2, 3]
    assert packed.ends.tolist() == [2, 5]
    assert (packed.mask == 0).int().tolist() == [
        [1, 0, 0, 0, 0, 0],
        [1, 1, 0, 0, 0, 0],
        [1, 1, 1, 0, 0, 0],
        [1, 0, 0, 1, 0, 0],
        [1, 0, 0, 1, 1, 0],
        [1, 0, 0, 1, 1, 1],
    ]


def test_pack_shows_each_token_what_it_would_see_alone():
    """In the order of its own prompt, a token at position p sees exactly the positions 0 to p."""
    shared, sizes = 5, [4, 1, 7, 2]
    packed = pack(shared, sizes, CPU)
    for end, size in zip(packed.ends.tolist(), sizes, strict=True):
        for own in range(end - size + 1, end + 1):
            seen = packed.positions[packed.mask[own] == 0].tolist()
            assert seen == list(range(packed.positions[own] + 1))
        assert packed.positions[end] == shared + size - 1
