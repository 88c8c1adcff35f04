"""The static page's own scripts give what Pillow, open_clip and vip_core give: resizing, deep PNG, tokens, scores."""

import base64
import json
from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image

from tests.conftest import PROJECT
from vip_core.data.images import read_image
from vip_core.models.adapter import ImageAdapter
from vip_core.models.vip import ViP
from vip_core.scoring.predictor import Predictor
from vip_core.scoring.zero_shot import ZeroShot
from vip_core.training.near_misses import fit_near_misses
from vip_core.utils.files import tensor_bytes

RESIZE = """async ([data, width, height, to]) => {
    const { resize } = await import("/resize.js");
    const pixels = Uint8ClampedArray.from(atob(data), each => each.charCodeAt(0));
    const image = { width, height, read: (top, rows) => pixels.subarray(4 * top * width, 4 * (top + rows) * width) };
    return btoa(Array.from(resize(image, ...to), each => String.fromCharCode(each)).join(""));
}"""
DEEP = """async data => {
    const { readDeepPng, toTones } = await import("/deep_png.js");
    const tones = toTones(await readDeepPng(Uint8Array.from(atob(data), each => each.charCodeAt(0))));
    return btoa(Array.from(tones, each => String.fromCharCode(each)).join(""));
}"""
TOKENS = """async texts => {
    const { Tokenizer } = await import("/tokenizer.js");
    const merges = await (await fetch("/merges.txt")).text();
    const tokenizer = new Tokenizer(merges, { start: [49406], end: [49407], context_length: 77, name: "vip-mini" });
    return texts.map(text => {
        try {
            return tokenizer.promptTokens(text, 4);
        } catch (error) {
            return error.message;
        }
    });
}"""
SCORE = """async ({ config, card, files, feature, texts, scale, dimension }) => {
    const { Task } = await import("/task.js");
    const bytes = data => Uint8Array.from(atob(data), each => each.charCodeAt(0)).buffer;
    const known = { ...files, card };
    for (const name of ["model", "reference", "text"]) known[name] = bytes(files[name]);
    const encoder = { encodePrompts: async lines => lines.map(line => Float32Array.from(texts[line])) };
    const task = new Task(config, encoder, { scale, embed_dim: dimension }, known);
    const all = {};
    for (const mode of ["vip", "symptoms"]) {
        for (const [name, symptoms] of Object.entries(config.trials)) {
            const set = { classes: config.classes, symptoms };
            all[`${mode} ${name}`] = await task.scorer(mode).diagnose(Float32Array.from(feature), set);
        }
        const edited = { classes: config.classes, symptoms: config.trials.edited };
        all[`${mode} auroc`] = task.scorer(mode).separations(await task.scorer(mode).encodeSymptoms(edited));
    }
    return all;
}"""


def encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()


def noise(shape, seed=0):
    """Values with contrast at every scale, the extremes among them."""
    rng = np.random.default_rng(seed)
    return (rng.integers(0, 2, shape) * 255 * rng.random(shape)).astype(np.uint8)


@pytest.mark.parametrize("size", [(640, 480), (1021, 997), (224, 224), (100, 150), (9, 700), (2048, 300)])
def test_resize_gives_every_pixel_of_pillows_bicubic(script_page, size):
    image = Image.fromarray(noise((size[1], size[0], 3)))
    rgba = encoded(image.convert("RGBA").tobytes())
    found = base64.b64decode(script_page.evaluate(RESIZE, [rgba, *size, [224, 224]]))
    assert found == image.resize((224, 224), Image.Resampling.BICUBIC).tobytes()


def deep_values(kind):
    rng = np.random.default_rng(1)
    values = (rng.random((40, 50)) * 900 + 300).astype(np.uint16)
    if kind == "hot pixel":
        values[3, 4] = 65535
    if kind == "no contrast":
        values[:] = 777
    return values


@pytest.mark.parametrize("kind", ["plain", "hot pixel", "no contrast"])
def test_deep_png_has_the_tones_of_read_image(script_page, kind):
    buffer = BytesIO()
    Image.fromarray(deep_values(kind)).save(buffer, "PNG")
    tones = np.frombuffer(base64.b64decode(script_page.evaluate(DEEP, encoded(buffer.getvalue()))), np.uint8)
    assert np.array_equal(tones.reshape(40, 50, 4)[..., :3], np.asarray(read_image(buffer.getvalue())))


def library_texts():
    texts = []
    for path in sorted((PROJECT / "assets" / "symptoms").glob("*.json")):
        texts += [line for lines in json.loads(path.read_text())["classes"].values() for line in lines]
    return texts


ODD = [
    "a “ground-glass” veil’s edge",
    "5–10 mm nodules & <1 cm",
    "ﬁne ﬂuffy opacities",
    "Ｆｕｌｌ　ｗｉｄｔｈ",
    "tab\tand   spaces .",
    "it's they're I'd we'll",
    "weiße Verschattung",
    "胸部 X 線",
    "кардиомегалия",
    "β-sheet α 😀 emoji",
    "&lt;b&gt; &amp; &#176;C",
    "café and cafe\u0301",
    "x" * 200,
    "0123456789 12.5%",
]
REFUSED = ["", "  . ", "a <start_of_text> in it", "a <end_of_text>", "word " * 90]


def test_tokens_are_those_of_open_clip(script_page, vip_mini):
    texts = [*library_texts(), *ODD]
    found = script_page.evaluate(TOKENS, texts)
    for text, tokens in zip(texts, found, strict=True):
        assert tokens == vip_mini.prompt_tokens(text, True), text


@pytest.mark.parametrize("text", REFUSED)
def test_a_text_that_cannot_be_a_prompt_has_the_sentence_of_the_backbone(script_page, vip_mini, text):
    with pytest.raises(Exception) as refusal:
        vip_mini.encode_prompts([text], torch.zeros(4, vip_mini.text_width))
    assert script_page.evaluate(TOKENS, [text]) == [str(refusal.value)]


def adapted(vip):
    """The same model with an image adapter that moves images."""
    torch.manual_seed(0)
    vip.image_adapter = ImageAdapter(vip.backbone.embed_dim, 4)
    vip.image_adapter.centre(vip.reference.features)
    vip.image_adapter.up.data.normal_(std=0.3)
    return vip.eval().requires_grad_(False)


@pytest.mark.parametrize("method", ["vip", "vip-adapter", "class contexts"])
@pytest.mark.parametrize("task", ["pneumonia", "melanoma"])
@pytest.mark.parametrize("near_miss_limit", [-100.0, 100.0])
def test_scores_are_those_of_vip_core(script_page, vip_mini, task, method, near_miss_limit):
    vip = ViP.from_pretrained(task, vip_mini)
    if method == "vip-adapter":
        adapted(vip)
    if method == "class contexts":
        vectors = vip.context_prompt.vectors
        vip.context_prompt.vectors = torch.nn.Parameter(torch.stack([vectors, 2 * vectors]), requires_grad=False)
    kinds = {"an adult's film": vip.reference.features[:50], "a photograph": vip.reference.features[50:100]}
    learned = replace(fit_near_misses(vip.reference.features[100:], kinds), limit=near_miss_limit)
    vip.reference = replace(vip.reference, near_misses=learned)
    predictor, zero_shot = Predictor(vip), ZeroShot(vip_mini, vip.reference)
    own = vip.symptoms
    edited = own.edited(own.classes[1], ["a faint veil", *own.symptoms[1][1:], "a table"])
    feature = vip.reference.features[3] * 21 + torch.randn(384, generator=torch.Generator().manual_seed(2)) * 0.1
    text = {"vip": vip.encode_symptoms().detach(), "symptoms": zero_shot.encode_symptoms(own)}
    bank = {"features": vip.reference.features, "labels": vip.reference.labels, **learned.tensors}
    lines = ["a faint veil", "a table"]
    known = predictor.encode_symptoms(replace(own, symptoms=(own.symptoms[0], tuple(lines))))[-2:]
    found = script_page.evaluate(
        SCORE,
        {
            "config": {
                "classes": list(own.classes),
                "lists": dict(zip(own.classes, map(list, own.symptoms), strict=True)),
                "trials": {"own": own.symptoms, "edited": edited.symptoms},
            },
            "card": {
                "temperature": vip.temperature,
                "domain_threshold": vip.reference.threshold,
                "near_misses": {"limit": near_miss_limit, "kinds": list(kinds)},
            },
            "files": {
                "model": encoded(tensor_bytes(vip.state_dict())),
                "reference": encoded(tensor_bytes(bank)),
                "text": encoded(tensor_bytes(text)),
            },
            "feature": feature.tolist(),
            "texts": dict(zip(lines, known.tolist(), strict=True)),
            "scale": vip.scale.item(),
            "dimension": 384,
        },
    )
    assert (found["vip own"]["domain"]["near_miss"] is None) == (near_miss_limit < 0)
    assert_same(found["vip own"], predictor.diagnose(feature, own).to_dict())
    assert_same(found["vip edited"], predictor.diagnose(feature, edited).to_dict())
    assert found["vip auroc"] == pytest.approx(predictor.separations(edited), abs=1e-6)
    assert_same(found["symptoms own"], zero_shot.diagnose(feature, own).to_dict())


def assert_same(found, expected):
    """Field by field, numbers within the rounding of 32 bits; a percentile may differ by one reference image."""
    assert found["prediction"] == expected["prediction"] and found["calibrated"] == expected["calibrated"]
    for field in ("probabilities", "logits", "class_terms"):
        assert list(found[field]) == list(expected[field])
        assert found[field] == pytest.approx(expected[field], abs=1e-4)
    assert found["domain"] == pytest.approx(expected["domain"], abs=1e-5)
    assert found.keys() == expected.keys()
    for mine, theirs in zip(found["symptoms"], expected["symptoms"], strict=True):
        assert mine.keys() == theirs.keys()
        assert (mine["class"], mine["symptom"]) == (theirs["class"], theirs["symptom"])
        assert mine["percentile"] == pytest.approx(theirs["percentile"], abs=0.2)
        for field in ("similarity", "contribution", "attention"):
            assert mine[field] == pytest.approx(theirs[field], abs=1e-5)
