"""Requests, clients and servers of other makes, for the tests of models."""

import asyncio
import contextlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from rlm_kernel.models.openai_compatible import ClientOptions, OpenAIModel
from rlm_kernel.trajectory.records import Message, Request

QUICK = ClientOptions(retries=0)


def ask(text="hi", **options):
    return Request(messages=(Message("system", "be brief"), Message("user", text)), **options)


def connect(server, options=QUICK, **others):
    return OpenAIModel(server.model.name, base_url=server.base_url, api_key=server.api_key, options=options, **others)


async def until(condition):
    """Wait until something holds that another thread brings about, ten seconds at most."""
    for _ in range(1000):
        if condition():
            return
        await asyncio.sleep(0.01)


@contextlib.contextmanager
def foreign_server(routes):
    """A server of another make: JSON, or text as it is, by path. Yields its root URL and the paths asked for."""
    asked = []

    class Answering(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            body = routes.get(self.path.partition("?")[0])
            text = body if isinstance(body, str) else json.dumps(body)
            self.send_response(404 if body is None else 200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

        do_POST = do_GET  # noqa: N815 - the name that http.server looks for

        def log_message(self, *_arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
