"""What axe-core holds against a page."""

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

GRADIO_FOOTER = ["footer:not(.vip-bench *)"]  # two of its pictures have the text beside them as their names


def barriers(page: Page, context: str | None = None) -> dict[str, list[str]]:
    """Violations of any level, of the page or of what a selector holds, but for Gradio's footer: rule -> selectors."""
    # A button that is just being enabled is half transparent for a moment.
    page.add_style_tag(content="* { transition: none !important; animation: none !important; }")
    return {
        violation["id"]: [" ".join(map(str, node["target"])) for node in violation["nodes"]]
        for violation in Axe().run(page, context=context or {"exclude": [GRADIO_FOOTER]}).response["violations"]
    }
