"""Limits per visitor and address."""

from demo.server import fairness as module
from demo.server.fairness import MAX_UPLOADED, MAX_WAITING, MAX_WAITING_TOGETHER, Fairness


def test_may_ask_leaves_room_for_others():
    waiting = {}
    fair = Fairness(lambda session: waiting.get(session, 0))

    def ask(session, owner, address="clinic"):
        if fair.may_ask(session, owner, address):
            waiting[session] = waiting.get(session, 0) + 1
            return True
        return False

    assert sum(ask("eve 1", "eve") for _ in range(75)) == MAX_WAITING
    assert not ask("eve 2", "eve")  # another page of the same visitor
    assert ask("ann", "ann")
    assert sum(ask(f"made up {i}", f"made up {i}") for i in range(75)) == MAX_WAITING_TOGETHER - MAX_WAITING - 1
    assert ask("ben", "ben", "elsewhere")
    waiting.clear()
    assert ask("eve 1", "eve")


def test_may_upload_counts_bytes_for_two_minutes(monkeypatch):
    fair = Fairness(lambda session: 0)
    assert fair.may_upload("a", MAX_UPLOADED // 2) and fair.may_upload("a", MAX_UPLOADED // 2)
    assert not fair.may_upload("a", 1) and fair.may_upload("b", 1)
    now = module.time.monotonic()
    monkeypatch.setattr(module.time, "monotonic", lambda: now + module.UPLOADED_SECONDS + 1)
    assert fair.may_upload("a", 1)
