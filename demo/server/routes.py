"""The routes that the page and its API use; every other route of Gradio is closed.

tests/demo/server/test_routes.py walks Gradio's own list, so that an update of Gradio cannot open one unnoticed.
"""

import re

READ, WRITE = ("GET", "HEAD"), ("POST",)
OPEN: tuple[tuple[tuple[str, ...], str], ...] = (
    (READ, r"/"),
    (READ, r"/config/?"),
    (READ, r"/(static|assets|svelte)/.+"),
    (READ, r"/(favicon\.ico|theme\.css|robots\.txt|manifest\.json)"),
    (READ, r"/logout"),
    (WRITE, r"/login/?"),
    (READ, r"/gradio_api/theme\.css"),
    (READ, r"/gradio_api/(info|user|login_check|app_id)/?"),
    (READ, r"/gradio_api/file=.+"),
    (READ, r"/gradio_api/heartbeat/[\w-]{1,100}"),
    (READ, r"/gradio_api/queue/data"),
    (READ, r"/gradio_api/upload_progress"),
    (READ, r"/gradio_api/call/diagnose/[\w-]{1,100}"),
    (WRITE, r"/gradio_api/call/(v2/)?diagnose/?"),
    (WRITE, r"/gradio_api/(upload|queue/join|cancel|reset/?)"),
)
MCP = re.compile(r"/gradio_api/mcp/?")  # open where the host asks for it
_OPEN = [(methods, re.compile(pattern)) for methods, pattern in OPEN]

KILOBYTE, MEGABYTE = 2**10, 2**20
SMALL = 64 * KILOBYTE  # of a login, or of what only names a session
CALL = 8 * MEGABYTE  # of an event: the picture of a report has up to 4 MB, lists some hundred kB
MAX_FILES_TOGETHER = 2**30  # bytes of an upload of several files, as archive.MAX_UNPACKED


def is_open(method: str, path: str, mcp: bool = False) -> bool:
    """Whether the page or its API uses a route. mcp: whether `diagnose` is offered as a tool."""
    if mcp and MCP.fullmatch(path):
        return method in ("GET", "POST", "DELETE")
    return any(method in methods and pattern.fullmatch(path) for methods, pattern in _OPEN)


def max_body(path: str, max_upload: int) -> int:
    """Bytes that the body of a request to a path may have. max_upload: of one file."""
    if path.startswith("/gradio_api/upload"):
        return max(MAX_FILES_TOGETHER, max_upload) + MEGABYTE
    if MCP.fullmatch(path):
        return max_upload * 4 // 3 + MEGABYTE  # an image in base64
    if path.startswith(("/gradio_api/queue/join", "/gradio_api/call/")):
        return CALL
    return SMALL


def is_utf8(content_type: str) -> bool:
    """Whether a content type names no character set, or UTF-8: some others take minutes to decode."""
    found = re.search(r"charset\s*=\s*[\"']?([^\s;\"']*)", content_type, re.IGNORECASE)
    return found is None or found[1].lower() in ("utf-8", "utf8", "us-ascii")
