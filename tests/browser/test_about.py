"""The About page in a real browser."""

import pytest
from playwright.sync_api import expect

from demo.settings import SHIPPED
from tests.browser.axe import barriers
from vip_core.models.card import read_card
from vip_core.utils.paths import PROJECT

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("width", "query"), [(1440, "?__theme=light"), (390, "?__theme=light"), (390, "?__theme=dark")]
)
def test_the_model_cards_and_the_rest_are_there(visit, width, query):
    person = visit(width, 900, query)
    person.page.get_by_role("tab", name="About").click()
    models = person.page.locator("#vip-models")
    for name in SHIPPED:
        test = read_card(PROJECT / "checkpoints" / name).figures["test"]
        expect(models).to_contain_text(f"n = {test['n']}")
        expect(models).to_contain_text(f"{test['auroc']:.3f}")
    order = person.page.locator(".vip-about h2").all_inner_texts()
    assert order[:3] == ["What it is for", "Limits", "How to read the page"]
    assert "visual symptoms as prompts" in person.page.locator(".vip-about").first.inner_text()
    for title in (
        "What it is for",
        "How to read the page",
        "Limits",
        "Data and licences",
        "Privacy",
        "The paper",
        "The backbone: vip-mini",
    ):
        expect(person.page.get_by_role("heading", name=title, exact=True)).to_be_visible()
    wide = person.page.evaluate("[document.documentElement.scrollWidth, document.body.scrollWidth]")
    assert max(wide) <= width
    small = person.page.evaluate(
        "[...document.querySelectorAll('.vip-about :is(p, li, td, th)')]"
        ".filter(text => parseFloat(getComputedStyle(text).fontSize) < 12).length"
    )
    assert small == 0
    assert barriers(person.page) == {}
