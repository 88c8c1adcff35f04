"""Images are decoded in a process that may be killed, with the same result as in this one."""

import zlib

import numpy as np
import pytest
from PIL import Image

from demo.state.decode import Decoder
from tests.browser.hostile import png
from vip_core.data.images import read_image
from vip_core.errors import ImageError
from vip_core.utils.paths import PROJECT


@pytest.fixture(scope="module")
def decoder():
    decoder = Decoder(1)
    yield decoder
    decoder.close()


def test_decoder_gives_the_pixels_of_read_image(decoder):
    for path in sorted((PROJECT / "assets" / "examples").rglob("*.jp*g"))[:4]:
        expected = read_image(path)
        assert np.array_equal(decoder.read_file(path), expected)
        assert np.array_equal(decoder.read_bytes(path.read_bytes(), path.name), expected)


def test_decoder_raises_the_sentence_of_read_image(decoder, tmp_path):
    (tmp_path / "x.png").write_text("no picture")
    with pytest.raises(ImageError) as here:
        read_image(tmp_path / "x.png")
    with pytest.raises(ImageError) as there:
        decoder.read_file(tmp_path / "x.png")
    assert str(there.value) == str(here.value)


def test_decoder_outlives_an_image_that_takes_all_memory(decoder, tmp_path):
    wide = np.zeros((8000, 8000), np.uint16)  # 64 megapixels in 16 bits
    wide[::7] = 60_000
    Image.fromarray(wide).save(tmp_path / "deep.png")
    with pytest.raises(ImageError, match="memory"):
        decoder.read_file(tmp_path / "deep.png")
    test_decoder_gives_the_pixels_of_read_image(decoder)


def test_decoder_outlives_metadata_that_unpacks_to_gigabytes(decoder):
    bomb = b"Comment\0\0" + zlib.compress(bytes(2**30), 9)
    try:
        decoder.read_bytes(png(8, 8, (b"zTXt", bomb)), "bomb.png")
    except ImageError as error:
        assert "bomb.png" in str(error)
    test_decoder_gives_the_pixels_of_read_image(decoder)


def test_decoder_outlives_a_worker_that_is_killed(decoder):
    path = next((PROJECT / "assets" / "examples" / "pneumonia").glob("*.jpeg"))
    decoder.read_file(path)
    decoder._all[0]._process.kill()
    decoder._all[0]._process.wait()
    assert decoder.read_file(path).size == read_image(path).size
