"""Whose state is kept when there are too many."""

import gradio as gr
import httpx

from demo.server import owners as owners_module
from demo.server.owners import Owners
from demo.server.sessions import Sessions


def sessions_of(capacity, is_open):
    with gr.Blocks() as demo:
        gr.State(None)
    demo.state_session_capacity = capacity
    kept = Sessions(is_open)
    kept.set_blocks(demo)
    return kept


def test_sessions_evict_no_page_that_is_open():
    owners = Owners()
    owners.opened("ann")
    kept = sessions_of(3, owners.is_open)
    kept["ann"]
    for i in range(600):
        kept[f"call {i}"]
    assert "ann" in kept and len(kept.session_data) <= 3
    owners.closed("ann")
    for i in range(3):
        kept[f"more {i}"]
    assert "ann" not in kept


def test_owners_claim_keeps_the_first_and_count_open_connections():
    owners = Owners()
    assert owners.claim("s", "ann") and owners.claim("s", "ann") and not owners.claim("s", "eve")
    owners.opened("s"), owners.opened("s"), owners.closed("s")
    assert owners.is_open("s")
    owners.closed("s")
    assert not owners.is_open("s")


def test_owners_remember_an_open_page_however_many_sessions_are_made_up(monkeypatch):
    monkeypatch.setattr(owners_module, "REMEMBERED", 100)
    owners = Owners()
    owners.claim("page", "ann"), owners.opened("page")
    for i in range(300):
        owners.claim(f"made up {i}", "eve")
    assert not owners.claim("page", "eve") and len(owners._owners) <= 100


def test_a_call_of_the_api_leaves_no_state_behind(start):
    url, demo = start()
    for i in range(5):
        event = httpx.post(url + "/gradio_api/call/diagnose", json={"data": [f"{i}"]}).json()["event_id"]
        assert f'"{i}"' in httpx.get(f"{url}/gradio_api/call/diagnose/{event}").text
    assert len(demo.state_holder.session_data) == 0
