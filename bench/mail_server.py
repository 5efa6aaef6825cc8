"""Run a mail server that accepts every email and stores none. Print its port, which the system chooses."""

import asyncio

from aiosmtpd.smtp import SMTP


class _Accept:
    async def handle_DATA(self, server, session, envelope):
        return "250 OK"


async def main():
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(_Accept(), loop=loop), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
