"""PyPI tornado, Python 3, with compression. It keeps its window even if the answer requests otherwise."""

import asyncio

import messages
from tornado.httpclient import HTTPRequest
from tornado.websocket import websocket_connect


async def echo():
    request = HTTPRequest(messages.URL, headers={"Origin": messages.ORIGIN})
    client = await websocket_connect(
        request,
        compression_options={},
        subprotocols=[messages.SUBPROTOCOL] if messages.SUBPROTOCOL else None,
    )
    if (client.selected_subprotocol or "") != messages.SUBPROTOCOL:
        raise AssertionError(f"subprotocol {client.selected_subprotocol}")
    # Enough messages for the compression to refer to earlier ones.
    alike = [f"m{index}" for index in range(2000)]
    for wanted in messages.TEXTS + messages.BURST + alike:
        await client.write_message(wanted)
        messages.compare(await client.read_message(), wanted)
    for wanted in messages.BINARIES:
        await client.write_message(wanted, binary=True)
        messages.compare(await client.read_message(), wanted)
    client.close(1000)
    messages.compare(await client.read_message(), None)
    messages.compare([client.close_code], [1000])
    return f"{len(messages.TEXTS + messages.BURST + alike + messages.BINARIES)} messages"


async def check():
    async with asyncio.timeout(messages.DEADLINE):
        return await echo()


messages.report("tornado", lambda: asyncio.run(check()))
