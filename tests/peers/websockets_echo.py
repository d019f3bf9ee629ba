"""PyPI websockets, Python 3, with its defaults: it offers permessage-deflate."""

import asyncio

import messages
from websockets.asyncio.client import connect


async def echo():
    async with connect(
        messages.URL,
        origin=messages.ORIGIN,
        subprotocols=[messages.SUBPROTOCOL] if messages.SUBPROTOCOL else None,
        proxy=None,
    ) as client:
        if (client.subprotocol or "") != messages.SUBPROTOCOL:
            raise AssertionError(f"subprotocol {client.subprotocol}")

        wanted = messages.TEXTS + messages.BURST + messages.BINARIES

        async def send():
            for message in wanted:
                await client.send(message)

        sending = asyncio.create_task(send())
        for message in wanted:
            messages.compare(await client.recv(), message)
        await sending
        await (await client.ping("ping"))
        await client.close()
        messages.compare([client.close_code], [1000])
        return f"{len(wanted)} messages"


async def check():
    async with asyncio.timeout(messages.DEADLINE):
        return await echo()


messages.report("websockets", lambda: asyncio.run(check()))
