"""The page as a tool of language models: `diagnose` by the Model Context Protocol over real HTTP, off by default."""

import ast
import asyncio
import base64
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from demo.build import build_demo
from demo.server import launch
from demo.settings import SHIPPED, Settings

pytest.importorskip("mcp", reason="the extra mcp is not installed")
from mcp import ClientSession
from mcp.client.streamable_http import streamablehttp_client


@pytest.fixture(scope="module")
def address(tasks, tmp_path_factory):
    folder = tmp_path_factory.mktemp("uploads")
    patch = pytest.MonkeyPatch()
    patch.setenv("GRADIO_TEMP_DIR", str(folder))
    demo = build_demo(tasks, Settings(mcp=True))
    yield launch(demo, Settings(mcp=True), folder, quiet=True) + "gradio_api/mcp/"
    demo.close()
    patch.undo()


def ask(address, work):
    """What a session of a client gives."""

    async def session():
        async with streamablehttp_client(address) as (read, write, _), ClientSession(read, write) as client:
            await client.initialize()
            return await work(client)

    with ThreadPoolExecutor(1) as elsewhere:  # a browser that another test left open has this thread's event loop
        return elsewhere.submit(lambda: asyncio.run(session())).result()


def test_mcp_offers_diagnose_and_nothing_else(address):
    (tool,) = ask(address, lambda client: client.list_tools()).tools
    assert tool.name == "diagnose" and "For research only, not a medical device" in tool.description
    assert set(tool.inputSchema["properties"]) == {"image", "task", "symptoms"}
    assert ", ".join(f'"{name}"' for name in SHIPPED) in tool.inputSchema["properties"]["task"]["description"]


def test_mcp_diagnose_gives_the_scores_of_the_predictor(address, task, xray):
    image = "data:image/jpeg;base64," + base64.b64encode(xray.read_bytes()).decode()
    arguments = {"image": image, "task": "pneumonia"}
    done = ask(address, lambda client: client.call_tool("diagnose", arguments))
    answer = ast.literal_eval(done.content[0].text)  # Gradio writes it as Python does
    expected = task.predictor.diagnose(task.predictor.encode(xray))
    assert answer["prediction"] == expected.prediction and answer["domain"]["in_domain"] is True
    assert answer["probabilities"] == pytest.approx(expected.probabilities, abs=0.01)


def test_mcp_names_a_task_that_is_not_served(address, xray):
    image = "data:image/jpeg;base64," + base64.b64encode(xray.read_bytes()).decode()
    done = ask(address, lambda client: client.call_tool("diagnose", {"image": image, "task": "fracture"}))
    assert done.isError and f"Unknown task “fracture”. Available: {', '.join(SHIPPED)}." in done.content[0].text


@pytest.mark.parametrize("image", ["http://127.0.0.1:9/scan.png", "http://10.0.0.1/scan.png", "/etc/passwd"])
def test_mcp_reaches_no_address_or_file_of_the_servers_own_network(address, image):
    done = ask(address, lambda client: client.call_tool("diagnose", {"image": image, "task": "pneumonia"}))
    assert done.isError


def test_mcp_is_off_unless_asked_for(start):
    url, _ = start()
    assert httpx.post(f"{url}/gradio_api/mcp/", json={}).status_code == 404
