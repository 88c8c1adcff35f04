"""What Gradio leaves of an upload is deleted, and nothing else."""

import os
import time

from demo.state.uploads import PREFIX, sweep


def test_only_what_has_not_changed_for_long_is_deleted(tmp_path):
    old, fresh, ours = (tmp_path / name for name in ("old", "deep/er/fresh", "ours"))
    fresh.parent.mkdir(parents=True)
    for path in (old, fresh, ours):
        path.write_text("x")
    os.utime(old, (time.time() - 100,) * 2)
    sweep([tmp_path], 90)
    assert not old.exists() and fresh.exists() and ours.exists()
    sweep([tmp_path / "nowhere"], 90)
    assert PREFIX.startswith("vip")
