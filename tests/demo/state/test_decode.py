"""Images are decoded in processes that may be killed, with the same result as in this one."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from benchmarks import bombs
from demo.state import decode_process, memory
from demo.state.decode import Decoder
from demo.state.decode_process import DecodeProcess, OutOfTime
from demo.state.memory import decode_memory
from vip_core.data.images import read_image
from vip_core.errors import ImageError
from vip_core.utils.paths import PROJECT

EXAMPLE = next((PROJECT / "assets" / "examples" / "pneumonia").glob("*.jpeg"))


@pytest.fixture(scope="module")
def decoder():
    decoder = Decoder(large=700)
    yield decoder
    decoder.close()


@pytest.fixture
def hurried(monkeypatch):
    """A worker with 400 MB and two seconds."""
    monkeypatch.setattr(decode_process, "CPU_SECONDS", 2)
    worker = DecodeProcess(400)
    yield worker
    assert np.array_equal(
        worker.decode({"path": str(EXAMPLE), "name": "x"}, b"")[0], read_image(EXAMPLE)
    )  # still works
    worker.close()


def test_decoder_gives_the_pixels_and_remarks_of_read_image(decoder, tmp_path):
    hot = np.arange(10_000, dtype=np.uint16).reshape(100, 100) % 1000
    hot[50, 50] = 65535
    Image.fromarray(hot).save(tmp_path / "hot.png")
    Image.fromarray(np.arange(3 * 2000 * 700, dtype=np.uint8).reshape(2000, 700, 3)).save(tmp_path / "tall.png")
    for path in (*sorted((PROJECT / "assets" / "examples").rglob("*.jp*g"))[:3], *sorted(tmp_path.iterdir())):
        expected = read_image(path)
        for found in (decoder.read_file(path), decoder.read_bytes(path.read_bytes(), path.name)):
            assert np.array_equal(found, expected) and found.info["remarks"] == expected.info["remarks"]
    assert decoder.read_file(tmp_path / "hot.png").info["remarks"]


def test_decoder_raises_the_sentence_of_read_image(decoder, tmp_path):
    (tmp_path / "x.png").write_text("no picture")
    with pytest.raises(ImageError) as here:
        read_image(tmp_path / "x.png")
    with pytest.raises(ImageError) as there:
        decoder.read_file(tmp_path / "x.png")
    assert str(there.value) == str(here.value)


def test_decoder_reads_a_large_image_in_the_large_worker_alone(decoder):
    picture = Image.linear_gradient("L").resize((6000, 4500))  # 27 megapixels
    buffer = BytesIO()
    picture.convert("RGB").save(buffer, "PNG", compress_level=1)
    assert decoder.read_bytes(buffer.getvalue(), "x.png").size == (6000, 4500)
    assert decoder._large._all[0]._process is None  # which is ended, for its memory
    with pytest.raises(ImageError, match="memory"), decoder._small.one() as small:
        small.decode({"name": "x.png"}, buffer.getvalue())


def test_decoder_names_the_size_of_what_takes_all_memory(decoder, tmp_path):
    wide = np.zeros((8000, 8000), np.uint16)  # 64 megapixels in 16 bits
    wide[::7] = 60_000
    Image.fromarray(wide).save(tmp_path / "deep.png", compress_level=1)
    with pytest.raises(ImageError, match=r"deep\.png has 8,000 x 8,000 pixels .* memory"):
        decoder.read_file(tmp_path / "deep.png")
    assert np.array_equal(decoder.read_file(EXAMPLE), read_image(EXAMPLE))


def test_decoder_outlives_a_worker_that_is_killed(decoder):
    for workers in (decoder._small, decoder._large):
        with workers.one() as worker:
            worker.decode({"path": str(EXAMPLE), "name": "x"}, b"")
            worker._process.kill()
            worker._process.wait()
            assert worker.decode({"path": str(EXAMPLE), "name": "x"}, b"")[0].size == read_image(EXAMPLE).size


def test_decode_memory_leaves_room_for_the_server(monkeypatch):
    found = {}
    for gigabytes in (1, 2, 3, 8):
        monkeypatch.setattr(memory, "total_memory", lambda gigabytes=gigabytes: gigabytes * 2**30)
        found[gigabytes] = decode_memory()
    assert found == {1: 420, 2: 648, 3: 1200, 8: 1200}
    monkeypatch.setenv("VIP_DECODE_MEMORY", "900")
    assert decode_memory() == 900


def test_total_memory_is_that_of_the_container(monkeypatch, tmp_path):
    own = memory.total_memory()
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(memory, "LIMITS", (str(tmp_path / "none"), str(limit)))
    limit.write_text("max\n")
    assert memory.total_memory() >= own
    limit.write_text(f"{2**29}\n")
    assert memory.total_memory() == 2**29


# ---- bombs: each is read, or one sentence that names the file

BOMBS = {
    "a comment in a PNG": lambda: bombs.png((b"zTXt", b"Comment\0\0" + bombs.packed())),
    "a colour profile in a PNG": lambda: bombs.png((b"iCCP", b"profile\0\0" + bombs.packed())),
    "pixels before the first row of a PNG": lambda: bombs.png((b"IDAT", bombs.packed())),
    "9,000 tags of 2 MB each in a TIFF": lambda: bombs.tiff_tags(9_000, 2 * 2**20),
    "an EXIF directory of overlapping values": bombs.exif_bomb,
}
SLOW = {
    "a progressive JPEG of 8,000 scans": lambda: bombs.scans(8_000),
    "8 million elements in a DICOM file": lambda: bombs.elements(8_000_000),
}


@pytest.mark.parametrize("what", BOMBS)
def test_decode_process_ends_a_bomb_or_reads_it_within_its_limits(hurried, what):
    try:
        image, _ = hurried.decode({"name": "scan of today"}, BOMBS[what]())
        assert min(image.size) >= 8
    except ImageError as error:
        assert str(error).startswith("scan of today ") and str(error).count(". ") <= 1


@pytest.mark.parametrize("what", SLOW)
def test_decode_process_says_that_it_took_too_long(hurried, what):
    with pytest.raises(OutOfTime, match="takes over 2 s to decode"):
        hurried.decode({"name": "x"}, SLOW[what]())


def test_decode_process_says_that_it_took_too_much_memory(hurried):
    with pytest.raises(ImageError, match="memory"):
        hurried.decode({"name": "x"}, bombs.tiff_tags(9_000, 2 * 2**20))
    assert hurried._process is None  # ended: not all memory comes back
