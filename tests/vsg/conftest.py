"""What the tests of the generator share: a request to the small server, and a key that nobody may see."""

import pytest

from vip_core.vsg import GenerationRequest, Server, generate

CLASSES = ("normal lung", "pneumonia")
KEY = "sk-Zq7TestKeyThatNobodyMaySee-4821"


@pytest.fixture
def ask(llm, vip_mini):
    """Generate from the server's answers."""

    def generate_from(request=None, key="", timeout=20.0, retries=3, stream=True, **more):
        server = Server("model-x", llm.url, key, timeout, retries, stream)
        return generate(request or GenerationRequest("chest X-ray", CLASSES, 2), server, vip_mini, **more)

    return generate_from


def reasons(result) -> dict[str, str]:
    return {line.line: line.reason for line in result.dropped}
