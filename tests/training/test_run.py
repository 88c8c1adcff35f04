"""A whole run: what it fits on which images, and that nobody writes beside it."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from vip_core.data.features import encode_split
from vip_core.data.options import DataOptions
from vip_core.data.reference_share import divide_rows
from vip_core.data.sources import load_dataset
from vip_core.errors import DataError, StorageError
from vip_core.evaluation.calibration import fit_temperature
from vip_core.evaluation.thresholds import fit_threshold
from vip_core.models.vip import ViP, predict
from vip_core.training import TrainConfig, train
from vip_core.training.run import balanced_weights
from vip_core.utils.lock import locked
from vip_core.utils.paths import PROJECT


@pytest.fixture
def config(halves, symptom_file, tiny_native) -> TrainConfig:
    return TrainConfig("csv", str(halves), str(symptom_file), tiny_native, epochs=3, views=1, batch_size=8, rate=0.05)


def test_train_fits_temperature_and_threshold_on_validation_images(config, tmp_path, capsys):
    vip = train(config, tmp_path / "run")
    data = load_dataset(config.data, tmp_path / config.root, vip.symptoms.classes)
    fitted = {}
    for name in ("train", "val"):
        split = encode_split(vip.backbone, data.split(name), name)
        logits = predict(vip, split.features)
        temperature = fit_temperature(logits, split.labels)
        fitted[name] = temperature, fit_threshold((logits / temperature).softmax(-1), split.labels, None, 0.95)
    assert fitted["train"] != fitted["val"]  # else the images would not matter
    assert (vip.temperature, vip.card.threshold) == pytest.approx(fitted["val"])
    assert capsys.readouterr().out == ""


def test_train_leaves_a_folder_that_another_run_holds(config, tmp_path):
    with locked(tmp_path / "run"), pytest.raises(StorageError, match="Another run is writing to"):
        train(config, tmp_path / "run")
    assert [path.name for path in (tmp_path / "run").iterdir()] == [".lock"]
    train(config, tmp_path / "run", test=False)
    assert (tmp_path / "run" / "card.json").is_file()


def test_train_with_class_weights_learns_other_prompts_and_says_so(config, tmp_path):
    uneven = tmp_path / "labels.csv"
    lines = (tmp_path / config.root).read_text().splitlines()
    uneven.write_text("\n".join(line for line in lines if not ("dark0" in line and "dark00" not in line)))
    config = replace(config, root=str(uneven))
    plain = train(config, tmp_path / "plain", test=False)
    weighted = train(replace(config, class_weights=True), tmp_path / "weighted", test=False)
    assert json.loads((tmp_path / "weighted" / "card.json").read_text())["training"]["class_weights"] is True
    assert not torch.equal(plain.merge_prompt.tokens, weighted.merge_prompt.tokens)


def test_balanced_weights_make_the_loss_that_of_equally_many_images(backbone, symptoms):
    torch.manual_seed(0)
    vip, features = ViP(backbone, symptoms), torch.randn(4, 8)
    labels = torch.tensor([0, 0, 1, 2])
    vip.class_weights = balanced_weights(labels, 3)
    weighted = vip.loss(features, labels)
    vip.class_weights = None
    repeated = [0, 1, 2, 2, 3, 3]
    torch.testing.assert_close(weighted, vip.loss(features[repeated], labels[repeated]))
    assert balanced_weights(torch.tensor([1, 1]), 3).tolist() == pytest.approx([0, 1 / 3, 0])


def test_train_names_near_duplicates_of_two_splits_and_counts_them_in_the_card(config, tmp_path, capsys):
    film = next(iter(sorted((PROJECT / "assets" / "examples" / "pneumonia").glob("*.jpeg"))))
    table = tmp_path / "labels.csv"
    for name, size in (("film", 300), ("smaller", 200)):
        Image.open(film).convert("L").resize((size, size)).save(tmp_path / f"{name}.png")
    table.write_text(Path(config.root).read_text().rstrip() + "\nfilm.png,dark,train\nsmaller.png,dark,val\n")
    vip = train(
        replace(config, root=str(table)), tmp_path / "run", test=False, options=DataOptions(near_duplicates=True)
    )
    assert vip.card.data["near_duplicates"] == 1
    said = capsys.readouterr().err
    assert "Images that look like one of another split: 1 pair." in said and "film.png and " in said


def test_train_holds_reference_images_out_of_training(config, tmp_path):
    """Of 160 patients those in the bank are none of the trained ones."""
    lines = Path(config.root).read_text().splitlines()[1:]
    rows = [line.split(",") for line in lines]
    train_rows = [row for row in rows if row[2] == "train"]
    table, lines = tmp_path / "many.csv", ["image,label,split,patient"]
    for number in range(160):
        image, label, _ = train_rows[number % len(train_rows)]
        copy = tmp_path / f"copy{number}.png"
        Image.open(image).resize((40 + number, 40)).save(copy)
        lines.append(f"{copy},{label},train,patient{number}")
    lines += [f"{image},{label},{split},{Path(image).stem}" for image, label, split in rows if split != "train"]
    table.write_text("\n".join(lines))
    vip = train(replace(config, root=str(table), hold_out_reference=True), tmp_path / "run", test=False)
    kept, held = divide_rows(load_dataset("csv", table, vip.symptoms.classes).train)
    assert len(held) > 9 and len(kept) > 120
    expected = F.normalize(encode_split(vip.backbone, held, "held").features, dim=-1)
    assert sorted(vip.reference.features.tolist()) == sorted(expected.tolist())
    card = vip.card.data
    assert sum(card["reference"]["images"].values()) == len(held) and card["reference"]["held_out"] is True
    assert sum(card["images"]["train"].values()) == len(kept)


def test_train_refuses_to_hold_out_reference_images_of_which_there_are_too_few(config, tmp_path):
    with pytest.raises(DataError, match="--hold-out-reference takes"):
        train(replace(config, hold_out_reference=True), tmp_path / "run", test=False)
