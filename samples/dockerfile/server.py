"""A counter without dependencies: a page, a health check, a line of log for each request."""

import html
import json
import os
import signal
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

lock = threading.Lock()
count = 0


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Longer than any proxy in front keeps an idle connection.
    timeout = 65

    def do_GET(self):
        global count
        if self.path == "/":
            with lock:
                count += 1
            greeting = html.escape(os.environ.get("GREETING", "Hello"))
            self.answer(
                200,
                "text/html; charset=utf-8",
                f"<!doctype html><title>{greeting}</title><h1>{greeting}</h1>"
                f"<p>Seen {count} times by this instance ({html.escape(socket.gethostname())}).</p>\n",
            )
        elif self.path == "/healthz":
            self.answer(200, "text/plain", "ok\n")
        elif self.path == "/env":
            self.answer(200, "application/json", json.dumps({name: os.environ.get(name, "") for name in ("GREETING", "PORT")}))
        else:
            self.answer(404, "text/plain", "there is no such page\n")

    def answer(self, status, kind, text):
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, text, *values):
        print(json.dumps({"client": self.client_address[0], "line": text % values}), flush=True)


class Server(ThreadingHTTPServer):
    # Many clients may come at once.
    request_queue_size = 128
    daemon_threads = True


port = int(os.environ.get("PORT", "8000"))
server = Server(("0.0.0.0", port), Handler)
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
print(json.dumps({"message": f"listening on {port}"}), flush=True)
server.serve_forever()
print(json.dumps({"message": "stopped"}), flush=True)
