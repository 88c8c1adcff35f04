"""An upload to a full disk is refused in a sentence."""

import asyncio
import errno
import gc

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .body import Refused

FULL = (errno.ENOSPC, errno.EDQUOT)
NO_SPACE = "The server has no space left for uploads. Try again in two minutes, when older ones are deleted."


async def refuse_where_full(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Have an upload answered by `app`. Raises Refused(507) where the disk, or the quota on it, is full."""
    failed: list[Message] = []  # of an answer with status 500, which is sent before the error arrives here

    async def held(message: Message) -> None:
        if failed or (message["type"] == "http.response.start" and message["status"] == 500):
            failed.append(message)
        else:
            await send(message)

    try:
        await app(scope, receive, held)
        await _send_all(failed, send)
        return
    except OSError as error:
        if error.errno not in FULL:
            await _send_all(failed, send)
            raise
    except Exception:
        await _send_all(failed, send)
        raise
    # What was written so far is open in the frames of the error, and fills the disk until these are collected.
    asyncio.get_running_loop().call_later(1, gc.collect)
    raise Refused(507, NO_SPACE)


async def _send_all(messages: list[Message], send: Send) -> None:
    for message in messages:
        await send(message)
