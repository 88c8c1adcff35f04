"""A backbone gives what open_clip gives, with the same weights, for less work."""

import shutil
import subprocess
import sys

import open_clip
import pytest
import torch

from vip_core.errors import BackboneError, PromptTooLong, SymptomError
from vip_core.models.backbone import Backbone
from vip_core.models.loading import check_tag
from vip_core.utils.paths import checkpoint_folder

TEXTS = ["clear lungs", "a dense white opacity in the left lower lobe", "haze"]


@pytest.fixture(params=["tiny_native", "tiny_custom", "vip-mini"])
def any_backbone(request, vip_mini):
    return vip_mini if request.param == "vip-mini" else Backbone.load(request.getfixturevalue(request.param))


def literal(backbone: Backbone, texts: list[str]) -> torch.Tensor:
    return backbone.clip.encode_text(open_clip.tokenize(texts))


def test_encode_prompts_with_a_context_of_words_is_the_literal_prompt(any_backbone):
    context = any_backbone.word_embeddings("a chest x-ray showing")
    expected = literal(any_backbone, [f"a chest x-ray showing {text}." for text in TEXTS])
    torch.testing.assert_close(any_backbone.encode_prompts(TEXTS, context), expected, atol=1e-5, rtol=1e-5)


def test_encode_prompts_without_context_is_encode_text(any_backbone):
    expected = literal(any_backbone, [f"{text}." for text in TEXTS])
    torch.testing.assert_close(any_backbone.encode_prompts(TEXTS), expected, atol=1e-5, rtol=1e-5)


def test_encode_prompts_takes_one_context_per_prompt(any_backbone):
    contexts = torch.stack([any_backbone.word_embeddings(words) for words in ("photo of", "film of", "sign of")])
    alone = [any_backbone.encode_prompts([text], context)[0] for text, context in zip(TEXTS, contexts, strict=True)]
    torch.testing.assert_close(any_backbone.encode_prompts(TEXTS, contexts), torch.stack(alone), atol=1e-5, rtol=1e-5)


def test_encode_prompts_is_the_same_beside_a_long_prompt(any_backbone):
    """The short prompt's feature is the same alone (cut shorter) and beside a long one (cut later)."""
    alone = any_backbone.encode_prompts(["haze"])
    beside = any_backbone.encode_prompts(["haze", "word " * 60])[:1]
    torch.testing.assert_close(alone, beside, atol=1e-5, rtol=1e-5)


def test_encode_prompts_packed_equals_padded(any_backbone):
    """Over more prompts than one sequence takes, with and without a context."""
    texts = [f"sign {'of many words ' * (i % 5)}number {i}" for i in range(70)]
    rows = [any_backbone.prompt_tokens(text) for text in texts]
    for context in (None, torch.randn(4, any_backbone.text_width)):
        expected = any_backbone.text_tower.encode_padded(rows, context)
        torch.testing.assert_close(any_backbone.encode_prompts(texts, context), expected, atol=1e-4, rtol=1e-4)


def test_encode_prompts_does_not_double_a_full_stop(backbone):
    torch.testing.assert_close(backbone.encode_prompts(["clear lungs."]), backbone.encode_prompts([" clear lungs "]))


def test_token_count_counts_start_stop_and_end(backbone):
    assert backbone.token_count("clear lungs") == len(backbone.tokenizer.encode("clear lungs.")) + 2 == 5


def test_encode_prompts_takes_the_longest_prompt_and_refuses_one_more_token(backbone):
    context = torch.zeros(4, backbone.text_width)
    fits = "haze " * (77 - 2 - 4 - 1)
    assert backbone.token_count(fits) + 4 == 77
    assert backbone.encode_prompts([fits], context).shape == (1, 8)
    with pytest.raises(PromptTooLong, match=r"78 tokens.*takes 77; shorten it"):
        backbone.encode_prompts([fits + " haze"], context)


@pytest.mark.parametrize("text", ["", "  ", ".", " . "])
def test_encode_prompts_refuses_a_blank_symptom(backbone, text):
    with pytest.raises(SymptomError, match="empty"):
        backbone.encode_prompts([text])


@pytest.mark.parametrize("text", ["haze <end_of_text>", "<START_OF_TEXT> haze", "&lt;end_of_text&gt;"])
def test_encode_prompts_refuses_reserved_markers(backbone, text):
    """They would end the prompt early, and the rest would go unread."""
    with pytest.raises(SymptomError, match="reserves"):
        backbone.encode_prompts(["haze", text])


def test_encode_prompts_takes_emoji_and_html(backbone):
    features = backbone.encode_prompts(["🫁 <b>haze</b>", "haze"])
    assert features.isfinite().all() and not torch.allclose(features[0], features[1])


def test_encode_prompts_of_nothing_is_empty(backbone):
    assert backbone.encode_prompts([]).shape == (0, 8)


def test_backbone_is_frozen_and_stays_in_evaluation_mode(vip_mini):
    assert not any(parameter.requires_grad for parameter in vip_mini.parameters())
    vip_mini.train()
    assert not any(module.training for module in vip_mini.modules())


def test_encode_prompts_passes_the_gradient_to_the_context(backbone):
    context = torch.randn(4, backbone.text_width, requires_grad=True)
    backbone.encode_prompts(TEXTS, context).square().sum().backward()
    assert (context.grad.abs().sum(-1) > 0).all()


def test_vip_mini_opens_in_open_clip_alone(vip_mini):
    """Another process, without vip_core, through open_clip's own local-dir schema."""
    code = """
import sys, torch, open_clip
model, _, preprocess = open_clip.create_model_and_transforms("local-dir:" + sys.argv[1])
tokenizer = open_clip.get_tokenizer("local-dir:" + sys.argv[1])
torch.manual_seed(0)
pixels = torch.randn(2, 3, 224, 224)
with torch.inference_mode():
    image, text = model.eval().encode_image(pixels), model.encode_text(tokenizer(["clear lungs."]))
print(*image.flatten().tolist(), *text.flatten().tolist())
"""
    folder = str(checkpoint_folder("vip-mini"))
    done = subprocess.run([sys.executable, "-c", code, folder], capture_output=True, text=True, check=True)
    values = torch.tensor([float(value) for value in done.stdout.split()])
    torch.manual_seed(0)
    pixels = torch.randn(2, 3, 224, 224)
    with torch.inference_mode():
        ours = torch.cat([vip_mini.encode_images(pixels).flatten(), vip_mini.encode_prompts(["clear lungs"]).flatten()])
    torch.testing.assert_close(values, ours, atol=1e-4, rtol=1e-4)


def test_vip_mini_is_small_enough_to_embed():
    files = checkpoint_folder("vip-mini").glob("*")
    assert sum(file.stat().st_size for file in files) <= 48 * 2**20


def test_encode_images_in_bfloat16_is_nearly_the_same(vip_mini):
    torch.manual_seed(0)
    pixels = torch.rand(4, 3, 224, 224)
    with torch.inference_mode():
        exact, fast = vip_mini.encode_images(pixels), vip_mini.encode_images(pixels, autocast=True)
    assert exact.dtype == fast.dtype == torch.float32
    assert torch.nn.functional.cosine_similarity(exact, fast).min() > 0.995


def test_patch_features_of_an_average_pooled_tower_average_to_the_image_feature(vip_mini):
    torch.manual_seed(0)
    pixels = torch.randn(2, 3, 224, 224)
    with torch.inference_mode():
        cells, whole = vip_mini.patch_features(pixels), vip_mini.encode_images(pixels)
    assert cells.shape == (2, 7, 7, vip_mini.embed_dim)
    torch.testing.assert_close(cells.mean((1, 2)), whole, atol=1e-4, rtol=1e-4)


def test_patch_features_of_a_vit_are_the_value_path_of_the_last_block(backbone):
    """With one patch a position attends to nothing but itself, so attention IS the value path there."""
    torch.manual_seed(0)
    pixels = torch.randn(2, 3, 32, 32)
    patches = backbone.patch_features(pixels)
    assert patches.shape == (2, 4, 4, 8)
    visual = backbone.clip.visual
    tokens = visual._embeds(pixels)
    tokens = visual.transformer.resblocks[0](tokens)
    last = visual.transformer.resblocks[1]
    one = last.ln_1(tokens[:, 6:7])  # the patch in row 1, column 1: [CLS] is position 0
    attended = last.attn(one, one, one, need_weights=False)[0]
    torch.testing.assert_close(patches[:, 1, 1], (visual.ln_post(attended) @ visual.proj)[:, 0], atol=1e-5, rtol=1e-5)


def test_load_random_is_reproducible_and_leaves_the_seed_alone():
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    first, second = Backbone.load("RN50", "random"), Backbone.load("RN50", "random")
    assert torch.rand(1) == expected
    assert first.fingerprint == second.fingerprint
    assert (first.embed_dim, first.text_width) == (1024, 512)


def test_fingerprint_differs_between_backbones(tiny_native, tiny_custom):
    one, again, other = Backbone.load(tiny_native), Backbone.load(tiny_native), Backbone.load(tiny_custom)
    assert one.fingerprint == again.fingerprint != other.fingerprint
    with torch.no_grad():
        again.clip.visual.proj.add_(1e-3)
    again._fingerprint = None
    assert again.fingerprint != one.fingerprint


@pytest.mark.parametrize(
    ("name", "pretrained", "sentence"),
    [
        ("ViT-Z", None, "Backbone ViT-Z is unknown; give vip-mini"),
        ("ViT-B-16", None, "needs --pretrained with one of: openai"),
        ("ViT-B-16", "best", "has no weights called best"),
        ("vip-mini", "openai", "includes its weights"),
        ("local-dir:/nowhere", None, "is not the folder of an open_clip model"),
        ("coca_ViT-B-32", "random", "a text tower of type CoCa"),
    ],
)
def test_load_refuses_with_one_sentence(name, pretrained, sentence):
    with pytest.raises(BackboneError, match=sentence) as caught:
        Backbone.load(name, pretrained)
    assert "\n" not in str(caught.value)


def test_load_refuses_damaged_weights_with_one_sentence(tiny_native, tmp_path):
    folder = shutil.copytree(tiny_native.removeprefix("local-dir:"), tmp_path / "copy")
    weights = folder / "open_clip_model.safetensors"
    for content in (weights.read_bytes()[:1000], b"version https://git-lfs.github.com/spec/v1"):
        weights.write_bytes(content)
        with pytest.raises(BackboneError, match="could not be loaded"):
            Backbone.load(f"local-dir:{folder}")


def test_check_tag_gives_quick_gelu_to_openai_weights_only():
    """The weights cannot be downloaded here, so the decision is tested where it is made."""
    assert check_tag("ViT-B-16", "openai") is True
    assert check_tag("ViT-B-16", "laion2b_s34b_b88k") is False
