"""Every kind of text tower gives what open_clip gives, with and without a context."""

import copy
import pickle
import shutil
from functools import cache
from pathlib import Path

import pytest
import torch

from tests.models.towers.kinds import KINDS, REAL, write_tower
from vip_core.errors import BackboneError, PromptTooLong, SymptomError
from vip_core.models.backbone import Backbone
from vip_core.models.export import save_backbone

pytest.importorskip("transformers", reason="pip install 'vip-core[hf]'")

TEXTS = ["clear lungs", "a dense white opacity in the left lower lobe", "haze"]
CLOSE = {"atol": 1e-5, "rtol": 1e-5}


@pytest.fixture(
    scope="module",
    params=[*KINDS, *REAL],
)
def backbone(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tower")
    if request.param in REAL:
        yield Backbone.load(write_tower(folder, REAL[request.param](folder), embed_dim=512, spread=0))
    else:
        yield Backbone.load(write_tower(folder, KINDS[request.param](folder)))
    shutil.rmtree(folder)


def literal(backbone: Backbone, texts: list[str]) -> torch.Tensor:
    with torch.no_grad():
        return backbone.clip.encode_text(backbone.tokenizer(texts))


def test_encode_prompts_without_context_is_encode_text(backbone):
    expected = literal(backbone, [f"{text}." for text in TEXTS])
    assert expected.std(dim=0).max() > 1e-4
    torch.testing.assert_close(backbone.encode_prompts(TEXTS), expected, **CLOSE)


def test_encode_prompts_with_a_context_of_words_is_the_literal_prompt(backbone):
    context = backbone.word_embeddings("a chest x-ray showing")
    expected = literal(backbone, [f"a chest x-ray showing {text}." for text in TEXTS])
    torch.testing.assert_close(backbone.encode_prompts(TEXTS, context), expected, **CLOSE)


def test_encode_prompts_takes_one_context_per_prompt(backbone):
    contexts = torch.randn(3, 4, backbone.text_width) * backbone.text_tower.context_std
    alone = [backbone.encode_prompts([text], context)[0] for text, context in zip(TEXTS, contexts, strict=True)]
    torch.testing.assert_close(backbone.encode_prompts(TEXTS, contexts), torch.stack(alone), **CLOSE)


def test_encode_prompts_is_the_same_beside_a_long_prompt(backbone):
    longest = backbone.context_length - 8
    context = torch.randn(4, backbone.text_width) * backbone.text_tower.context_std
    for given in (None, context):
        words = ["word"]
        while backbone.token_count(" ".join([*words, "word"])) < longest:
            words.append("word")
        alone = backbone.encode_prompts(["haze"], given)
        beside = backbone.encode_prompts(["haze", " ".join(words)], given)[:1]
        torch.testing.assert_close(alone, beside, **CLOSE)


def test_encode_prompts_gives_the_same_bits_twice(backbone):
    backbone.train()  # dropout must stay off
    context = torch.randn(4, backbone.text_width)
    assert torch.equal(backbone.encode_prompts(TEXTS, context), backbone.encode_prompts(TEXTS, context))


def test_encode_prompts_is_nearly_the_same_in_bfloat16(backbone):
    context = torch.randn(4, backbone.text_width) * backbone.text_tower.context_std
    exact, fast = (backbone.encode_prompts(TEXTS, context, autocast=autocast) for autocast in (False, True))
    assert fast.dtype == torch.float32 and not torch.equal(exact, fast)
    assert torch.nn.functional.cosine_similarity(exact, fast).min() > 0.98


def test_encode_prompts_passes_the_gradient_to_the_context_alone(backbone):
    context = torch.randn(4, backbone.text_width).mul_(backbone.text_tower.context_std).requires_grad_()
    backbone.encode_prompts(TEXTS, context).square().sum().backward()
    assert (context.grad.abs().sum(-1) > 0).all()
    assert all(parameter.grad is None for parameter in backbone.parameters())


def test_encode_prompts_takes_the_longest_prompt_and_refuses_one_more_token(backbone):
    context = torch.randn(4, backbone.text_width) * backbone.text_tower.context_std
    text = "a a"
    step = backbone.token_count("a a") - backbone.token_count("a")
    while backbone.token_count(text) + 4 + step <= backbone.context_length:
        text += " a"
    assert backbone.encode_prompts([text], context).isfinite().all()
    for _ in range(2):
        text += " a"
    with pytest.raises(PromptTooLong, match=rf"tower of .* takes {backbone.context_length}; shorten"):
        backbone.encode_prompts([text], context)


def test_backbone_can_be_copied_and_pickled(backbone):
    expected = backbone.encode_prompts(TEXTS)
    for again in (copy.deepcopy(backbone), pickle.loads(pickle.dumps(backbone))):
        assert torch.equal(again.encode_prompts(TEXTS), expected)
        assert again.text_tower.embedding is not backbone.text_tower.embedding


def test_save_backbone_gives_a_folder_that_opens_offline_wherever_it_is_moved(backbone, tmp_path, offline):
    save_backbone(backbone, tmp_path / "saved")
    shutil.move(tmp_path / "saved", tmp_path / "moved")
    shutil.rmtree(Path(backbone.name.removeprefix("local-dir:")) / "nothing", ignore_errors=True)
    again = Backbone.load(f"local-dir:{tmp_path / 'moved'}")
    assert again.fingerprint == backbone.fingerprint
    assert torch.equal(again.encode_prompts(TEXTS), backbone.encode_prompts(TEXTS))


@pytest.fixture(scope="module")
def load_kind(tmp_path_factory):
    @cache
    def load(name: str) -> Backbone:
        folder = tmp_path_factory.mktemp("kind")
        return Backbone.load(write_tower(folder, KINDS[name](folder)))

    return load


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("mobileclip", "haze <end_of_text>"),
        ("bert", "haze [SEP] word"),
        ("bert", "[CLS] haze"),
        ("bert", "haze [MASK]"),
        ("clipa", "haze [PAD]"),
        ("roberta", "haze </s>"),
        ("roberta", "<s> haze"),
    ],
)
def test_encode_prompts_refuses_reserved_markers(load_kind, kind, text):
    with pytest.raises(SymptomError, match="contains a marker that the text tower reserves"):
        load_kind(kind).encode_prompts(["haze", text])


def test_encode_prompts_reads_siglips_marker_as_letters(load_kind):
    """SigLIP's cleaning removes punctuation, so "</s>" is a plain s, which is no marker."""
    backbone = load_kind("siglip")
    features = backbone.encode_prompts(["haze </s>", "haze s"])
    torch.testing.assert_close(features[0], features[1])


@pytest.mark.parametrize("kind", ["bert", "clipa", "siglip", "siglip2"])
@pytest.mark.parametrize("text", ["🫁", "肺炎 🫁", "[UNK]", "…"])
def test_encode_prompts_refuses_a_text_of_unknown_tokens_only(load_kind, kind, text):
    backbone = load_kind(kind)
    with pytest.raises(SymptomError, match="no word that the text tower knows"):
        backbone.encode_prompts([text])
    assert backbone.encode_prompts([f"haze {text}"]).isfinite().all()


def test_context_starts_at_the_scale_of_the_towers_own_words(load_kind):
    from vip_core.models.vip import ViP
    from vip_core.symptoms import SymptomSet

    symptoms = SymptomSet.from_dict({"a": ["haze"], "b": ["clear lungs"]})
    for kind, std in (("causal", 0.02), ("bert", None), ("siglip", None)):
        backbone = load_kind(kind)
        torch.manual_seed(0)
        vectors = ViP(backbone, symptoms, context_length=16).context_prompt.vectors
        std = std or backbone.text_tower.embedding.weight.std().item()
        assert vectors.std().item() == pytest.approx(std, rel=0.2)


@pytest.mark.parametrize("kind", KINDS)
def test_context_words_start_as_the_literal_prompt(load_kind, kind):
    from vip_core.models.vip import ViP
    from vip_core.symptoms import SymptomSet

    backbone = load_kind(kind)
    symptoms = SymptomSet.from_dict({"a": ["haze"], "b": ["clear lungs", "streaks"]})
    expected = literal(backbone, [f"a photo of {text}." for text in symptoms.texts])
    for per_class in (False, True):
        vip = ViP(backbone, symptoms, class_context=per_class, context_words="a photo of")
        torch.testing.assert_close(vip.encode_symptoms().detach(), expected, **CLOSE)


def test_load_says_when_the_towers_configuration_is_not_in_the_folder(load_kind, tmp_path, offline):
    folder = Path(load_kind("bert").name.removeprefix("local-dir:"))
    copied = shutil.copytree(folder, tmp_path / "copied")
    (copied / "config.json").unlink()
    config = (copied / "open_clip_config.json").read_text()
    (copied / "open_clip_config.json").write_text(config.replace(str(folder), "microsoft/BiomedBERT"))
    with pytest.raises(BackboneError, match=r"python -m vip_core\.backbone save") as caught:
        Backbone.load(f"local-dir:{copied}")
    assert "\n" not in str(caught.value)
