"""A tiny BERT-towered CLIP, in the shape of BiomedCLIP."""

import pytest

from tests.models.towers.kinds import KINDS, write_tower


@pytest.fixture(scope="session")
def tiny_biomedclip(tmp_path_factory) -> str:
    pytest.importorskip("transformers", reason="pip install 'vip-core[hf]'")
    folder = tmp_path_factory.mktemp("biomedclip")
    return write_tower(folder, KINDS["bert"](folder))
