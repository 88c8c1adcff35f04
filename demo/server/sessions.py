"""The states of visitors: that of an open page is never evicted, and an API call leaves none behind."""

import threading
from collections.abc import Callable

from gradio.state_holder import SessionState, StateHolder


class Sessions(StateHolder):
    """Gradio's store, which evicts the least recently used state; this one spares the states of open pages.

    is_open: whether a page has this session open; is_call: whether it is a single call of the API, whose state nobody
    asks for again.
    """

    def __init__(self, is_open: Callable[[str], bool], is_call: Callable[[str], bool] = lambda session: False):
        super().__init__()
        self.is_open, self.is_call = is_open, is_call
        self._evicting = threading.Lock()

    def __getitem__(self, session_id: str) -> SessionState:
        """The state of a session, a new one where there is none."""
        if session_id not in self.session_data and self.is_call(session_id):
            return SessionState(self.blocks)
        self._make_room()
        return super().__getitem__(session_id)

    def update(self, session_id: str) -> None:
        """Note that a session was used."""
        with self.lock:
            if session_id in self.session_data:
                self.session_data.move_to_end(session_id)

    def forget(self, session_id: str) -> None:
        """Drop a state."""
        with self.lock:
            self.session_data.pop(session_id, None)
            self.time_last_used.pop(session_id, None)

    def _make_room(self) -> None:
        with self._evicting:
            if len(self.session_data) < self.capacity:
                return
            closed = [name for name in list(self.session_data) if not self.is_open(name)]
            for name in closed[: len(self.session_data) - self.capacity + 1]:
                self.forget(name)
