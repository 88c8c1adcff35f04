"""PNG, JPEG, WebP, TIFF, BMP and HEIC files, and Pillow images of any mode, as 8-bit RGB."""

import sys
from io import BytesIO

import numpy as np
from PIL import Image, ImageChops, ImageOps
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile

from vip_core.data.colour import to_srgb
from vip_core.data.pixels import check_size, decoding, fill_transparent, scale_colour, scale_to_range
from vip_core.data.png import as_four_bytes, is_deep_grey_alpha, skip_unusable_chunks
from vip_core.data.tiff import check_pages
from vip_core.errors import ImageError

# Of 16-bit colour Pillow keeps the high bytes; told the other byte order, the low ones.
_SWAPPED = {f"{mode};16L": f"{mode};16B" for mode in ("RGB", "RGBA", "RGBX")}
_SWAPPED |= {swapped: mode for mode, swapped in _SWAPPED.items()}
_SWAPPED |= {f"{mode};16N": f"{mode};16{'B' if sys.byteorder == 'little' else 'L'}" for mode in ("RGB", "RGBA", "RGBX")}
_BITS, _PHOTOMETRIC, _PLANES, _COLOUR_MAP, _SAMPLE_FORMAT = 258, 262, 284, 320, 339  # TIFF tags
_GREATEST = (
    281,
    341,
)  # TIFF tags MaxSampleValue and SMaxSampleValue: statistics, so they give the depth, not the white


def read_raster(reader: type[ImageFile], data: bytes, name: str, max_pixels: int, remarks: list[str]) -> Image.Image:
    """Read a file with one of Pillow's readers. Raises ImageError."""
    with decoding(name) as size:
        if reader is PngImageFile:
            data = skip_unusable_chunks(data)
        elif reader is TiffImageFile:
            check_pages(data, name)
        image = reader(BytesIO(data))  # the header only
        size.append(check_size(image.width, image.height, name, max_pixels))
        frames = 1 if reader is TiffImageFile else getattr(image, "n_frames", 1)
        if frames > 1 and not isinstance(image, JpegImageFile):  # a phone's JPEG may have its preview as the second
            raise ImageError(f"{name} holds {frames} pages or frames; save the one to read as a file of its own.")
        reader(BytesIO(data)).verify()  # the checksums of a PNG; decoding alone lets a half-written one pass
        if reader is PngImageFile and is_deep_grey_alpha(data):
            image = ImageOps.exif_transpose(PngImageFile(BytesIO(as_four_bytes(data))))
            high, low, alpha, _ = np.moveaxis(np.asarray(image), -1, 0).astype(np.uint16)
            return _deep_to_rgb((high << 8 | low)[..., None], alpha.astype(np.uint8), image, name, remarks)
        return image_to_rgb(image, name, remarks, _low_bytes(image, data, name))


def image_to_rgb(image: Image.Image, name: str, remarks: list[str], low: Image.Image | None = None) -> Image.Image:
    """Convert a Pillow image of any mode. low: the low bytes of 16-bit colour. Raises ImageError."""
    tags = dict(image.tag_v2) if isinstance(image, TiffImageFile) else {}
    bits, signed = tags.get(_BITS, (1,)), tags.get(_SAMPLE_FORMAT) == (2,)
    if (max(bits) > 8 and tags.get(_PLANES) == 2) or (bits == (8,) and signed):  # Pillow decodes these wrongly
        raise ImageError(f"{name} is a TIFF with signed bytes or separate 16-bit colour planes; export it as PNG.")
    upright = ImageOps.exif_transpose(image)
    if image.mode[0] not in "IF" and low is None:
        if image.mode == "P" and max(tags.get(_COLOUR_MAP, (256,))) <= 255:  # written with 8 bits instead of 16
            upright.putpalette(np.reshape(tags[_COLOUR_MAP], (3, -1)).T.astype(np.uint8).tobytes())
        if image.mode == "CMYK" and isinstance(image, JpegImageFile) and "adobe" not in image.info:
            upright = ImageChops.invert(upright)  # Pillow takes all CMYK for Adobe's, which is inverted
        if not upright.has_transparency_data:
            return to_srgb(upright)
        rgba = upright.convert("RGBA")
        rgb = rgba.convert("RGB")
        return fill_transparent(to_srgb(rgb), np.asarray(rgba.getchannel("A")), name)

    values = np.atleast_3d(np.asarray(upright))  # (H, W, 1, 3 or 4)
    if upright.mode == "I" and bits == (32,) and not signed:
        values = values.view(np.uint32)
    if low is not None:
        values = values.astype(np.uint16) << 8 | np.asarray(ImageOps.exif_transpose(low))
    alpha = (
        (values[..., 3] >> 8).astype(np.uint8) if values.shape[-1] == 4 else np.full(values.shape[:2], 255, np.uint8)
    )
    most = max((int(np.max(tags[tag])) for tag in _GREATEST if tag in tags), default=0)
    inverted = tags.get(_PHOTOMETRIC) == 0
    return _deep_to_rgb(values[..., :3], alpha, upright, name, remarks, inverted, most)


def _deep_to_rgb(
    values: np.ndarray,
    alpha: np.ndarray,
    image: Image.Image,
    name: str,
    remarks: list[str],
    inverted: bool = False,
    most: int = 0,
) -> Image.Image:
    """Values (H, W, 1 or 3) of more than 8 bits as RGB. image: its transparent value and colour profile count.

    inverted: whether 0 is white, of grey; most: see `scale_colour`.
    """
    absent = np.isnan(values).any(axis=-1)
    if "transparency" in image.info:
        absent |= (values == image.info["transparency"]).all(axis=-1)
    alpha = np.where(absent, np.uint8(0), alpha)
    if values.shape[-1] == 3:
        rgb = Image.fromarray(scale_colour(values, name, remarks, alpha > 0, most=most))
        rgb.info["icc_profile"] = image.info.get("icc_profile")
        return fill_transparent(to_srgb(rgb), alpha, name)
    tones = scale_to_range(values, alpha > 0, name, remarks)
    if inverted:  # MinIsWhite, which Pillow inverts for 8 bits only
        tones = 255 - tones
    return fill_transparent(Image.fromarray(tones.repeat(3, axis=-1)), alpha, name)


def _low_bytes(image: ImageFile, data: bytes, name: str) -> ImageFile | None:
    """The low bytes of a file of 16-bit colour; None for any other. Raises ImageError where Pillow cannot give them."""
    modes = [tile.args if isinstance(tile.args, str) else (tile.args or ("",))[0] for tile in image.tile]
    if not modes or ";16" not in str(modes[0]) or image.mode not in ("RGB", "RGBA", "RGBX"):
        return None
    if not set(modes) <= set(_SWAPPED):
        raise ImageError(f"{name} has 16-bit colour of an unusual form; export it with 8 bits per channel.")
    low = type(image)(BytesIO(data))
    low.tile = [
        tile._replace(args=_SWAPPED[mode] if isinstance(tile.args, str) else (_SWAPPED[mode], *(tile.args or ())[1:]))
        for tile, mode in zip(low.tile, modes, strict=True)
    ]
    return low
