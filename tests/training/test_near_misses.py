"""Near misses: how they are listed, what the domain check learns from them, and what a checkpoint keeps."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from vip_core.data.features import image_features
from vip_core.data.options import NearMissOptions
from vip_core.errors import CheckpointError, DataError, UsageError
from vip_core.models.vip import ViP
from vip_core.score import main as score
from vip_core.train import main as train_command
from vip_core.training.config import TrainConfig
from vip_core.training.near_misses import find_near_misses, fit_near_misses
from vip_core.training.run import train


def clusters(*counts):
    """Features around a direction each."""
    generator = torch.Generator().manual_seed(0)
    return [4 * torch.eye(8)[i] + torch.randn(n, 8, generator=generator) for i, n in enumerate(counts)]


def table(folder, *rows, head="image,kind,split"):
    path = folder / "near.csv"
    path.write_text("\n".join([head, *rows]))
    return path


@pytest.fixture
def stripes(tmp_path):
    """Twelve images unlike those of `image_folder`."""
    for number in range(12):
        pixels = np.zeros((40, 48, 3), np.uint8)
        pixels[:, number % 4 :: 6] = 255
        Image.fromarray(pixels).save(tmp_path / f"stripes{number}.png")
    return tmp_path


def test_fit_near_misses_tells_the_kinds_apart():
    own, *others = clusters(300, 200, 40)
    found = fit_near_misses(own, {"a photograph": others[0], "a negative": others[1]})
    assert found.kinds == ("a photograph", "a negative") and found.weight.shape == (3, 8)
    right = [
        (found.log_odds(own) > 0).float().mean(),
        *((found.log_odds(other) < 0).float().mean() for other in others),
    ]
    assert min(right) > 0.9
    kinds = replace(found, limit=float("inf")).found_in(others[1])
    assert np.mean([kind == "a negative" for kind in kinds]) > 0.9


def test_fit_near_misses_of_one_kind_are_those_of_a_logistic_regression():
    own, other = clusters(120, 60)
    found = fit_near_misses(own, {"a photograph": other})
    odds = found.log_odds(torch.cat([own, other]))
    assert (odds[:120] > 0).float().mean() > 0.9 and (odds[120:] < 0).float().mean() > 0.9
    # In each column the weights of softmax regression sum to zero, as at its penalised optimum.
    torch.testing.assert_close(found.weight.sum(0), torch.zeros(8), atol=1e-4, rtol=0)


def test_fit_near_misses_weighs_kinds_alike_whatever_their_number():
    own, *others = clusters(100, 50, 50)
    few = fit_near_misses(own, {"a": others[0], "b": others[1]})
    many = fit_near_misses(own.repeat(3, 1), {"a": others[0].repeat(7, 1), "b": others[1]})
    images = torch.cat([own, *others])
    # The standardisation differs a little, nothing else.
    assert torch.corrcoef(torch.stack([few.log_odds(images), many.log_odds(images)]))[0, 1] > 0.995


def test_find_near_misses_divides_a_table_by_its_split(stripes):
    rows = [f"stripes{n}.png,stripes,{split}" for n, split in enumerate(["train"] * 7 + ["val"] * 2 + ["test"] * 3)]
    found = find_near_misses(NearMissOptions(table(stripes, *rows), ["inverted", "inverted"]))
    assert [len(part["stripes"]) for part in (found.taught, found.counted)] == [7, 3]
    assert found.altered == ("inverted",)


def test_find_near_misses_divides_a_table_without_splits_by_name(stripes):
    path = table(stripes, *(f"stripes{n}.png,stripes" for n in range(12)), head="image,kind")
    found, again = (find_near_misses(NearMissOptions(path)) for _ in range(2))
    assert found == again
    assert len(found.taught["stripes"]) + len(found.counted["stripes"]) == 12 and found.counted


def test_find_near_misses_is_none_where_nothing_is_asked():
    assert find_near_misses(NearMissOptions()) is None


@pytest.mark.parametrize(
    "rows, reason",
    [
        (["absent.png,stripes,train"], "Line 2 of .* does not exist"),
        (["stripes0.png,,train"], "Line 2 of .* has no kind"),
        (["stripes0.png,stripes,other"], "split 'other'"),
        (["stripes0.png,stripes,test"], "no images to learn from"),
    ],
)
def test_find_near_misses_names_the_line_that_is_wrong(stripes, rows, reason):
    with pytest.raises(DataError, match=reason):
        find_near_misses(NearMissOptions(table(stripes, *rows)))


def test_find_near_misses_refuses_an_unknown_alteration():
    with pytest.raises(UsageError, match="--altered has no 'blurred'; choose from upside-down"):
        find_near_misses(NearMissOptions(altered=["blurred"]))


def test_train_learns_near_misses_and_the_checkpoint_keeps_them(tiny_native, halves, symptom_file, stripes):
    rows = [f"stripes{n}.png,a striped cloth,{'train' if n < 8 else 'test'}" for n in range(12)]
    config = TrainConfig("csv", str(halves), str(symptom_file), backbone=tiny_native, epochs=1, views=1)
    options = NearMissOptions(table(stripes, *rows), ["inverted"])
    vip = train(config, stripes / "run", test=False, near_misses=options)
    bank, card = vip.reference, vip.card
    assert bank.near_misses.kinds == ("a striped cloth", "a negative") == tuple(card.near_misses.kinds)
    assert card.near_misses.images == {"a striped cloth": 8, "a negative": 20}
    assert card.guard["a striped cloth"]["n"] == 4 and card.guard["a negative"]["n"] == 20
    images = image_features(vip.backbone, [stripes / f"stripes{n}.png" for n in range(8, 12)], float32=True)[:, 0]
    assert card.guard["a striped cloth"]["flagged"] == sum(not check.in_domain for check in bank.check(images)) > 0
    again = ViP.from_pretrained(stripes / "run")
    images = F.normalize(torch.randn(50, 8), dim=-1)
    assert again.reference.check(images) == bank.check(images)
    vip.save_pretrained(stripes / "copy")
    assert ViP.from_pretrained(stripes / "copy").reference.check(images) == bank.check(images)


def test_checkpoint_without_the_tensors_of_its_near_misses_is_refused(tiny_native, halves, symptom_file, tmp_path):
    config = TrainConfig("csv", str(halves), str(symptom_file), backbone=tiny_native, epochs=1, views=1)
    train(config, tmp_path / "run", test=False, near_misses=NearMissOptions(altered=["inverted", "half-black"]))
    path = tmp_path / "run" / "card.json"
    card = json.loads(path.read_text())
    card["near_misses"]["kinds"] = ["a negative"]
    path.write_text(json.dumps(card))
    with pytest.raises(CheckpointError, match=r"near_miss_weight of shape \(3, 8\); \(2, 8\) is needed for 1 kinds"):
        ViP.from_pretrained(tmp_path / "run")


def test_vip_score_says_what_an_image_looks_like(tiny_native, halves, symptom_file, stripes, capsys):
    rows = [f"stripes{n}.png,a striped cloth,train" for n in range(8)]
    command = ["--data", "csv", "--root", str(halves), "--symptoms", str(symptom_file), "--epochs", "1"]
    command += ["--backbone", tiny_native, "--views", "1", "--out", str(stripes / "run"), "--no-test"]
    command += ["--near-misses", str(table(stripes, *rows)), "--altered", "half-black"]
    assert train_command(command) == 0
    capsys.readouterr()
    assert score(["--checkpoint", str(stripes / "run"), *(str(stripes / f"stripes{n}.png") for n in range(8))]) == 0
    assert "out of distribution (it looks like a striped cloth): do not interpret" in capsys.readouterr().out
