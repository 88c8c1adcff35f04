"""Each method against a naive transcription of its formula, in value and in gradient."""

import math

import pytest
import torch

from tests.baselines.conftest import text_of, unit
from vip_core.baselines.bayesian import KL_WEIGHT, BayesianPrompts, ConditionalBayesianPrompts
from vip_core.baselines.biomedcoop import BiomedCoOp
from vip_core.baselines.clip_adapter import ClipAdapter
from vip_core.baselines.cocoop import CoCoOp
from vip_core.baselines.coop import CoOp
from vip_core.baselines.kgcoop import KgCoOp
from vip_core.baselines.maple import MaPLe
from vip_core.baselines.tip_adapter import TipAdapterF
from vip_core.models.prompts import CONTEXT_LENGTH


def check(learner, images, labels, naive):
    """The loss and its gradient of every trained parameter, against `naive()`, which uses the same parameters."""
    learner.train()
    ours = learner.loss(images, labels)
    parameters = [p for p in learner.parameters() if p.requires_grad]
    found = torch.autograd.grad(ours, parameters)
    theirs = naive()
    expected = torch.autograd.grad(theirs, parameters)
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-3)


def cross_entropy(logits, labels):
    return torch.stack([row.exp().sum().log() - row[y] for row, y in zip(logits, labels, strict=True)]).mean()


@pytest.fixture
def rows(backbone, symptoms):
    return [backbone.prompt_tokens(name) for name in symptoms.classes]


@pytest.mark.parametrize("class_context", [False, True])
def test_coop_is_its_formula(backbone, symptoms, features, labels, rows, class_context):
    coop = CoOp(backbone, symptoms, class_context)

    def naive():
        contexts = coop.context if class_context else [coop.context] * 3
        return cross_entropy(coop.scale * unit(features) @ text_of(backbone, rows, contexts).T, labels)

    check(coop, features, labels, naive)


def test_cocoop_is_its_formula(backbone, symptoms, features, labels, rows):
    cocoop = CoCoOp(backbone, symptoms)

    def naive():
        logits = []
        for x in unit(features):
            hidden = (cocoop.shift[0].weight @ x + cocoop.shift[0].bias).clamp(min=0)
            shift = cocoop.shift[2].weight @ hidden + cocoop.shift[2].bias
            logits.append(cocoop.scale * text_of(backbone, rows, [cocoop.context + shift] * 3) @ x)
        return cross_entropy(torch.stack(logits), labels)

    check(cocoop, features, labels, naive)


def networks(sequence, x):
    first, _, second, _, third = sequence
    elu = torch.nn.functional.elu
    return third(elu(second(elu(first(x)))))


@pytest.mark.parametrize("kind", [BayesianPrompts, ConditionalBayesianPrompts])
def test_bayesian_prompts_are_their_formula(backbone, symptoms, features, labels, rows, kind):
    bayesian = kind(backbone, symptoms)
    bayesian.samples = 3
    features, labels = features[:4], labels[:4]

    def naive():
        noise = torch.randn(3, backbone.text_width, generator=torch.Generator().manual_seed(1))
        likelihood, divergence = [], []
        for x, y in zip(unit(features), labels, strict=True):
            if kind is BayesianPrompts:
                mu, rho = bayesian.mean[0], bayesian.log_variance[0]
            else:
                mu, rho = networks(bayesian.mean_network, x), networks(bayesian.log_variance_network, x)
            shares = []
            for eps in noise:
                text = text_of(backbone, rows, [bayesian.context + mu + eps * (rho / 2).exp()] * 3)
                shares.append((bayesian.scale * text @ x).softmax(0)[y])
            likelihood.append(torch.stack(shares).mean().log())
            sigma = (rho / 2).exp()
            divergence.append((-sigma.log() + (sigma**2 + mu**2) / 2 - 0.5).mean())
        return -torch.stack(likelihood).mean() + KL_WEIGHT * torch.stack(divergence).mean()

    check(bayesian, features, labels, naive)


def test_bayesian_prompts_draw_anew_in_training_and_alike_in_prediction(backbone, symptoms, features, labels):
    bayesian = BayesianPrompts(backbone, symptoms)
    losses = {bayesian.train().loss(features, labels).item() for _ in range(3)}
    assert len(losses) == 3 and int(bayesian.step) == 3
    bayesian.eval()
    assert torch.equal(bayesian(features), bayesian(features))
    torch.testing.assert_close(bayesian(features).exp().sum(-1), torch.ones(12))


def test_tip_adapter_f_is_its_formula(backbone, symptoms, features, labels):
    tip = TipAdapterF(backbone, symptoms)
    views = torch.stack([features, features + 0.1, features - 0.2], dim=1)
    tip.prepare(views, labels)
    keys = unit((unit(views[:, 1]) + unit(views[:, 2])) / 2)  # the random views, not the first
    torch.testing.assert_close(tip.keys.data, keys)
    images = torch.randn(5, 8, generator=torch.Generator().manual_seed(1))
    target = torch.tensor([0, 1, 2, 0, 1])

    def naive():
        logits = []
        for x in unit(images):
            cache = [
                sum(torch.exp(x @ k - 1) for k, y in zip(tip.keys, labels, strict=True) if y == c) for c in (0, 1, 2)
            ]
            logits.append(tip.scale * tip.text @ x + torch.stack(cache))
        return cross_entropy(torch.stack(logits), target)

    check(tip, images, target, naive)


def test_clip_adapter_is_its_formula(backbone, symptoms, features, labels):
    adapter = ClipAdapter(backbone, symptoms)

    def naive():
        hidden = (features @ adapter.down.weight.T).clamp(min=0)
        mixed = 0.2 * (hidden @ adapter.up.weight.T).clamp(min=0) + 0.8 * features
        return cross_entropy(adapter.scale * unit(mixed) @ adapter.text.T, labels)

    check(adapter, features, labels, naive)


def test_kgcoop_is_its_formula(backbone, symptoms, features, labels, rows):
    kgcoop = KgCoOp(backbone, symptoms)

    def naive():
        text = text_of(backbone, rows, [kgcoop.context] * 3)
        near = torch.stack([a @ b for a, b in zip(text, kgcoop.text, strict=True)]).mean()
        return cross_entropy(kgcoop.scale * unit(features) @ text.T, labels) + 8 * (1 - near)

    check(kgcoop, features, labels, naive)


def test_biomedcoop_is_its_formula(backbone, symptoms, features, labels, rows):
    biomed = BiomedCoOp(backbone, symptoms)

    def naive():
        text = text_of(backbone, rows, [biomed.context] * 3)
        plain = unit(backbone.encode_prompts(symptoms.texts)).split(symptoms.counts)
        sentences = torch.stack([part[[n % len(part) for n in range(5)]] for part in plain])  # (C, N, D)
        x, scale = unit(features), biomed.scale
        scores = torch.stack([(scale * x @ sentences[:, n].T).max(1).values.mean() for n in range(5)])
        z = (scores - scores.mean()) / scores.std(correction=0)
        teacher = scale * x @ unit(sentences[:, z.abs() <= 1.5].mean(1)).T
        logits = scale * x @ text.T
        p, q = teacher.softmax(-1), logits.softmax(-1)
        kl = (p * (p.log() - q.log())).sum() / p.numel()
        consistency = ((text - unit(sentences.mean(1))) ** 2).mean()
        return cross_entropy(logits, labels) + 0.5 * consistency + 0.5 * kl

    check(biomed, features, labels, naive)


def test_maple_is_its_formula(backbone, symptoms, pixels, rows):
    maple = MaPLe(backbone, symptoms)
    assert maple.depth == 2 and len(maple.couplings) == 2
    clip, labels, size = backbone.clip, torch.tensor([0, 1, 2, 0]), CONTEXT_LENGTH

    def naive():
        text = []
        for row in rows:
            tokens = [backbone.tokenizer.sot_token_id, *[0] * size, *row, backbone.tokenizer.eot_token_id]
            x = clip.token_embedding(torch.tensor(tokens))
            x = torch.cat([x[:1], maple.prompts[0], x[1 + size :]]) + clip.positional_embedding[: len(tokens)]
            mask = clip.attn_mask[: len(tokens), : len(tokens)]
            x = clip.transformer.resblocks[0](x[None], attn_mask=mask)[0]
            x = torch.cat([x[:1], maple.prompts[1], x[1 + size :]])
            x = clip.transformer.resblocks[1](x[None], attn_mask=mask)[0]
            text.append(unit(clip.ln_final(x[-1]) @ clip.text_projection))
        visual, images = clip.visual, []
        for picture in pixels:
            x = visual.conv1(picture[None]).flatten(2)[0].T
            x = torch.cat([visual.class_embedding[None], x]) + visual.positional_embedding
            x = visual.ln_pre(torch.cat([x, maple.couplings[0](maple.prompts[0])]))
            x = visual.transformer.resblocks[0](x[None])[0]
            x = torch.cat([x[:-size], maple.couplings[1](maple.prompts[1])])
            x = visual.transformer.resblocks[1](x[None])[0]
            images.append(unit(visual.ln_post(x[0]) @ visual.proj))
        return cross_entropy(maple.scale * torch.stack(images) @ torch.stack(text).T, labels)

    check(maple, pixels, labels, naive)
    assert math.isfinite(naive().item())
