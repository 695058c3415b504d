"""What each application's `ask.py` speaks HTTP with: a browser's cookies, forms and redirects, at addresses below localhost.

An application's `ask.py` has two functions: `fill(at, env)`, which waits until the application answers, signs in where there is something to
sign in to, and writes something; and `kept(at, env)`, which reads that again. `at(component)` is a browser at a component's address.

    ask.py FOLDER fill|kept APP PORT      the application's name, the gateway's port; its variables are in the environment
"""

import base64
import html
import http.cookiejar
import importlib.util
import json
import os
import re
import socket
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

_resolve = socket.getaddrinfo
socket.getaddrinfo = lambda host, *rest, **more: _resolve("127.0.0.1" if str(host).endswith(".localhost") else host, *rest, **more)


class Reply:
    def __init__(self, raw):
        self.status, self.url, self.headers = raw.status, raw.url, raw.headers
        self.text = raw.read().decode(errors="replace")

    def json(self):
        return json.loads(self.text)

    def field(self, name):
        """The value of a form's field."""
        for tag in re.findall(r"<(?:input|meta)\b[^>]*>", self.text):
            words = {key: html.unescape(value) for key, _, value in re.findall(r"""([\w-]+)=(["'])(.*?)\2""", tag, re.S)}
            if words.get("name") == name:
                return words.get("value", words.get("content", ""))
        raise AssertionError(f"no field {name} at {self.url}: {self.text[:2000]}")


class Browser:
    def __init__(self, base):
        self.base = base
        self.user = None
        self.opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))

    def ask(self, method, path, body=None, headers=None, status=200):
        headers = dict(headers or {})
        if isinstance(body, dict) and headers.get("Content-Type", "").startswith("application/json"):
            body = json.dumps(body)
        elif isinstance(body, dict):
            body = urllib.parse.urlencode(body)
        if self.user:
            headers["Authorization"] = "Basic " + base64.b64encode(":".join(self.user).encode()).decode()
        address = path if "://" in path else self.base + path
        request = urllib.request.Request(address, body.encode() if isinstance(body, str) else body, headers, method=method)
        try:
            reply = Reply(self.opener.open(request, timeout=60))
        except urllib.error.HTTPError as error:
            reply = Reply(error)
        if status is not None and reply.status != status:
            raise AssertionError(f"{method} {path}: {reply.status}, not {status}: {reply.text[:2000]}")
        return reply

    def get(self, path, **more):
        return self.ask("GET", path, **more)

    def post(self, path, fields, **more):
        return self.ask("POST", path, fields, **more)

    def send(self, path, value, method="POST", headers=None, **more):
        """JSON; answers with the JSON that comes back."""
        reply = self.ask(method, path, json.dumps(value), {"Content-Type": "application/json", **(headers or {})}, **more)
        return reply.json() if reply.text.strip() else None


def until(what, good, within=120):
    """Asks until it is good; answers with what it was then."""
    deadline = time.monotonic() + within
    last = None
    while time.monotonic() < deadline:
        try:
            last = good()
            if last:
                return last
        except (AssertionError, OSError, ValueError, KeyError) as error:
            last = error
        time.sleep(0.3)
    raise AssertionError(f"{what}: not within {within} s; last: {last}")


def main():
    folder, verb, app, port = sys.argv[1:]
    spec = importlib.util.spec_from_file_location("application", os.path.join(folder, "ask.py"))
    module = importlib.util.module_from_spec(spec)
    sys.modules["ask"] = sys.modules["__main__"]
    spec.loader.exec_module(module)

    def at(component=None):
        return Browser(f"http://{f'{component}--' if component else ''}{app}.localhost:{port}")

    getattr(module, verb)(at, os.environ)


if __name__ == "__main__":
    main()
