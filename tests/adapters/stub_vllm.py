"""A stub of vLLM: a server with its adapter endpoints. It logs requests to the file in STUB_LOG."""

import json
import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer

port = int(sys.argv[sys.argv.index("--port") + 1])
loaded = {}


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def answer(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.answer(200, {"data": [{"id": name} for name in ["base", *loaded]]})

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        name = body["lora_name"]
        load = self.path == "/v1/load_lora_adapter"
        word = ("replace" if body.get("load_inplace") else "load") if load else "unload"
        if load:
            loaded[name] = body["lora_path"]
        else:
            loaded.pop(name, None)
        with open(os.environ["STUB_LOG"], "a") as log:
            log.write(f"{word} {name}\n")
        self.answer(200, {})


signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
with open(os.environ["STUB_LOG"], "a") as log:
    log.write(f"pid {os.getpid()} {' '.join(sys.argv[1:])}\n")
HTTPServer(("127.0.0.1", port), Handler).serve_forever()
