"""Visitors who leave before their answer, over real HTTP: the others at their address still get theirs."""

import time

import httpx

from demo.server.fairness import MAX_WAITING_TOGETHER


def test_events_that_nobody_waits_for_do_not_count_against_an_address(start):
    url, demo = start()
    with httpx.Client(base_url=url) as visitor:
        visitor.get("/")
        for number in range(MAX_WAITING_TOGETHER + 3):
            call = {"data": ["x"], "fn_index": 0, "session_hash": f"left{number}"}
            assert visitor.post("/gradio_api/queue/join", json=call).status_code == 200, f"visitor {number} is refused"
            until = time.monotonic() + 30
            while demo._queue.event_ids_to_events and time.monotonic() < until:
                time.sleep(0.01)
            assert not demo._queue.event_ids_to_events
