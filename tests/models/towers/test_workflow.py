"""Training, resuming, scoring, editing and mapping work over a BERT text tower as over CLIP's."""

import json
import shutil

import pytest
import torch
from PIL import Image

from vip_core.models.backbone import Backbone
from vip_core.models.prompts import MergePrompt
from vip_core.models.vip import ViP
from vip_core.scoring.evidence import contrast
from vip_core.scoring.predictor import Predictor
from vip_core.training import loop
from vip_core.training.config import TrainConfig
from vip_core.training.preparation import prepare
from vip_core.training.run import train


@pytest.fixture(scope="module")
def config(tiny_biomedclip, image_folder, tmp_path_factory) -> TrainConfig:
    path = tmp_path_factory.mktemp("symptoms") / "symptoms.json"
    path.write_text(json.dumps({"dark": ["clear lungs", "haze"], "white": ["dense white opacity"]}))
    common = {"data": "folder", "root": str(image_folder), "symptoms": str(path), "backbone": tiny_biomedclip}
    return TrainConfig(**common, epochs=3, views=1, rate=0.05, context_words="a photo of")


@pytest.fixture(scope="module")
def trained_bert(session_cache, config, tmp_path_factory):
    out = tmp_path_factory.mktemp("bert") / "run"
    train(config, out, test=False)
    return out


def test_train_over_bert_moves_the_context_from_its_words(config, trained_bert):
    vip = ViP.from_pretrained(trained_bert)
    start = vip.backbone.word_embeddings("a photo of")
    assert vip.context_prompt.vectors.shape == start.shape == (3, 64)
    assert vip.card.context.length == 3 and vip.card.training["context_words"] == "a photo of"
    assert not torch.equal(vip.context_prompt.vectors, start)


def test_train_over_bert_resumes_bit_for_bit(config, trained_bert, tmp_path, monkeypatch):
    saved = []

    def save_and_stop(*arguments):
        save(*arguments)
        saved.append(1)
        if len(saved) == 2:
            raise KeyboardInterrupt

    save = loop.save_state
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(loop, "save_state", save_and_stop)
        train(config, tmp_path / "run", test=False)
    train(config, tmp_path / "run", resume=True, test=False)
    for name in ("model.safetensors", "reference.safetensors"):
        assert (tmp_path / "run" / name).read_bytes() == (trained_bert / name).read_bytes()


def test_predictor_over_bert_scores_edits_and_maps(trained_bert, image_folder):
    predictor = Predictor.from_pretrained(str(trained_bert))
    image = Image.open(next(iter(sorted((image_folder / "white").iterdir()))))
    features, cells = predictor.encode_with_patches(image)
    own = predictor.diagnose(features)
    for name, logit in own.logits.items():
        terms = [symptom.contribution for symptom in own.symptoms if symptom.class_name == name]
        assert own.class_terms[name] + sum(terms) == pytest.approx(logit, abs=1e-4)
    edited = predictor.symptoms.edited("white", ["streaks"])
    rows = []
    text = predictor.backbone.clip.text
    text.proj.register_forward_pre_hook(lambda module, arguments: rows.append(len(arguments[0])))
    assert predictor.diagnose(features, edited).logits["white"] != own.logits["white"]
    assert rows == [1]
    assert contrast(cells, predictor.encode_symptoms(edited)).shape == (3, 4, 4)


def test_predictor_over_bert_opens_offline_from_another_folder(trained_bert, tiny_biomedclip, tmp_path, offline):
    moved = shutil.copytree(tiny_biomedclip.removeprefix("local-dir:"), tmp_path / "elsewhere")
    vip = ViP.from_pretrained(trained_bert, Backbone.load(f"local-dir:{moved}"))
    features = torch.randn(2, 8)
    assert torch.equal(vip(features), ViP.from_pretrained(trained_bert)(features))


def test_train_notes_class_tokens_that_could_decide_alone(config, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(MergePrompt, "__init__", with_large_tokens(MergePrompt.__init__))
    run = prepare(config, tmp_path / "run")
    assert run.vip.token_ratio() > 0.2
    assert "the class tokens start at" in " ".join(capsys.readouterr().err.split())
    run.vip.merge_prompt.tokens.data.mul_(1e-6)
    assert run.vip.token_ratio() < 1e-4


def with_large_tokens(initialise):
    def initialise_large(self, *arguments):
        initialise(self, *arguments)
        self.tokens.data.mul_(1e4)

    return initialise_large
