"""Headers that tell the browser what a page of this server may do, and who may frame it."""

import os
from http import HTTPStatus


def security_headers() -> dict[str, str]:
    """The headers of every response.

    Gradio's page compiles listeners from text and sets styles in place, so scripts and styles need 'unsafe-inline' and
    scripts 'unsafe-eval'; nothing may be loaded from or sent to another server.
    """
    frames = "'self' https://huggingface.co https://*.hf.space" if os.environ.get("SPACE_ID") else "'self'"
    policy = {
        "default-src": "'self'",
        "script-src": "'self' 'unsafe-inline' 'unsafe-eval' blob:",
        "style-src": "'self' 'unsafe-inline'",
        "img-src": "'self' data: blob:",
        "media-src": "'self' data: blob:",
        "font-src": "'self' data:",
        "connect-src": "'self' data: blob:",
        "worker-src": "'self' blob:",
        "frame-src": "'self'",
        "object-src": "'none'",
        "base-uri": "'self'",
        "form-action": "'self'",
        "frame-ancestors": frames,
    }
    return {
        "content-security-policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "x-content-type-options": "nosniff",
        "referrer-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
    }


def cache_headers(path: str, status: int) -> dict[str, str]:
    """The headers that let a browser keep Gradio's own files, whose names change with their content."""
    kept = path.startswith("/assets/") and status == HTTPStatus.OK
    return {"cache-control": "public, max-age=31536000, immutable"} if kept else {}
