"""On real test images the static page gives what vip_core gives, before and after an edit."""

import pytest

from tests.browser.static.bench import assert_alike
from tests.browser.static.conftest import drawn_images

pytestmark = pytest.mark.slow

IMAGES = 100
EDIT = "an area whiter than the rest"


@pytest.mark.parametrize("task", ["pneumonia", "melanoma"])
def test_test_images_have_the_results_of_vip_core(static_bench, scored, task):
    paths = drawn_images(task, IMAGES)
    bench = static_bench()
    bench.choose_task(task)
    bench.open_panel("Numbers and chart")
    for number, path in enumerate(paths):
        with bench.new_scores():
            bench.choose(path)
        compare(bench, scored, path, task)
        if number % 2:  # the first image of two is edited, the second begins with that edit and takes it back
            with bench.new_scores():
                bench.page.locator(".vip-undo").click()
        else:
            bench.write(f"{EDIT} {path.stem}", 0, of=1)
        compare(bench, scored, path, task)


def compare(bench, scored, path, task):
    """What the page saves of an image and its lists, and what vip_core makes of them."""
    lists = {name: bench.texts(of=index) for index, name in enumerate(bench.classes)}
    assert_alike(bench.saved_json("Save JSON"), scored(path, task, lists))
