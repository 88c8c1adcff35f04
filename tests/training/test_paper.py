"""The paper's method on the paper's tower, against a loop that shares no code with the project's."""

import math
from dataclasses import replace

import open_clip
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from vip_core.data.features import FeatureSplit
from vip_core.models.backbone import Backbone
from vip_core.models.vip import ViP
from vip_core.symptoms import SymptomSet
from vip_core.training.config import TrainConfig
from vip_core.training.loop import train_prompts

LISTS = {
    "normal lung": ["clear lung fields", "sharp costophrenic angles", "normal vascular markings"],
    "pneumonia": ["patchy white opacities within the lung", "air bronchograms"],
}
CONTEXT = 4
EPOCHS, BATCH = 3, 4


def text_features(clip: torch.nn.Module, symptoms: list[str], context: Tensor) -> Tensor:
    """T (m, D): the string "V V V V symptom.", all 77 tokens, with the context in the place of the V's."""
    tokens = open_clip.get_tokenizer("ViT-B-16")([f"{'x ' * CONTEXT}{symptom}." for symptom in symptoms])
    embedded = torch.cat([context.expand(len(tokens), -1, -1), clip.token_embedding(tokens[:, 1 + CONTEXT :])], dim=1)
    embedded = torch.cat([clip.token_embedding(tokens[:, :1]), embedded], dim=1) + clip.positional_embedding
    mask = torch.full((77, 77), -math.inf).triu(1)
    ends = clip.ln_final(clip.transformer(embedded, attn_mask=mask))[torch.arange(len(tokens)), tokens.argmax(-1)]
    return ends @ clip.text_projection


def logits_of(clip: torch.nn.Module, images: Tensor, prompts: dict[str, Tensor]) -> Tensor:
    merged = []
    for token, symptoms in zip(prompts["tokens"], LISTS.values(), strict=True):
        text = text_features(clip, symptoms, prompts["context"])
        scores = (text @ prompts["key"].T) @ (prompts["query"] @ token) / math.sqrt(text.shape[1])
        merged.append(token + scores.softmax(0) @ text)
    return clip.logit_scale.exp() * F.normalize(images, dim=-1) @ F.normalize(torch.stack(merged), dim=-1).T


@pytest.mark.slow
def test_train_prompts_equals_an_independent_loop_of_the_paper_on_vit_b_16(tmp_path):
    backbone = Backbone.load("ViT-B-16", "random")
    torch.manual_seed(0)
    vip = ViP(backbone, SymptomSet.from_dict(LISTS))
    config = TrainConfig(
        data="folder", root="", symptoms="", backbone="ViT-B-16", method="vip", epochs=EPOCHS, batch_size=BATCH
    )
    features, labels = torch.randn(2 * BATCH + 1, 1, backbone.embed_dim), torch.arange(2 * BATCH + 1) % 2
    names = {
        "context_prompt.vectors": "context",
        "merge_prompt.query.weight": "query",
        "merge_prompt.key.weight": "key",
        "merge_prompt.tokens": "tokens",
    }
    prompts = {names[key]: value.clone().requires_grad_(True) for key, value in vip.state_dict().items()}
    started = {key: value.detach().clone() for key, value in prompts.items()}

    generator = torch.Generator().manual_seed(config.seed)
    optimizer = torch.optim.SGD(prompts.values(), lr=1.0, momentum=0.9, weight_decay=5e-4)
    for epoch in range(EPOCHS):
        rate = 1e-5 if epoch == 0 else 0.5 * 2e-3 * (1 + math.cos(math.pi * (epoch - 1) / EPOCHS))
        optimizer.param_groups[0]["lr"] = rate
        order = torch.randperm(len(labels), generator=generator)
        torch.randint(1, (len(labels),), generator=generator)  # which view of each image
        for rows in order[: 2 * BATCH].split(BATCH):
            optimizer.zero_grad()
            F.cross_entropy(logits_of(backbone.clip, features[rows, 0], prompts), labels[rows]).backward()
            optimizer.step()

    val = FeatureSplit(features[:, 0], labels)
    train_prompts(vip, lambda epoch: features, labels, val, replace(config, select="last"), tmp_path / "state.pt")
    for key, value in vip.state_dict().items():
        expected = prompts[names[key]].detach()
        change = float((expected - started[names[key]]).abs().max())
        assert change > 1e-6, key  # the run has moved it
        torch.testing.assert_close(
            value, expected, atol=0.01 * change, rtol=0, msg=lambda words, key=key: f"{key}: {words}"
        )
