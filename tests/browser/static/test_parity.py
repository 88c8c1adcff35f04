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
    for path in paths:
        with bench.new_scores():
            bench.choose(path)
        lists = {name: bench.texts(of=index) for index, name in enumerate(bench.classes)}
        assert_alike(bench.saved_json("Save JSON"), scored(path, task, lists))
        bench.write(f"{EDIT} {path.stem}", 0, of=1)
        lists = {name: bench.texts(of=index) for index, name in enumerate(bench.classes)}
        assert_alike(bench.saved_json("Save JSON"), scored(path, task, lists))
        bench.page.locator(".vip-undo").click()
        bench.settle()
