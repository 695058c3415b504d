"""A thousand applications through the API, and how long lists of them take.

    thousand.py PORT make IMAGE         deploys them and waits until all run
    thousand.py PORT measure PID        control's process; prints one JSON document: milliseconds and megabytes

PLUVIO_TOKEN is an owner's token.
"""

import http.client
import json
import os
import sys
import threading
import time

port, verb, given = int(sys.argv[1]), sys.argv[2], sys.argv[3]
HOME = "/api/v1/teams/main/environments/production"
HEADERS = {"Authorization": f"Bearer {os.environ['PLUVIO_TOKEN']}", "Content-Type": "application/json"}
MANY, ASKED = 1000, 1500


class Api:
    def __init__(self):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def ask(self, method, path, body=None):
        self.connection.request(method, path, body and json.dumps(body), HEADERS)
        answer = self.connection.getresponse()
        text = answer.read()
        if answer.status >= 300:
            sys.exit(f"{method} {path}: {answer.status} {text.decode()}")
        return json.loads(text)


def resident(pid):
    with open(f"/proc/{pid}/status") as status:
        lines = dict(line.split(":", 1) for line in status)
    return int(lines["VmRSS"].split()[0]) / 1024


def every(api):
    """All applications, page after page."""
    items, after = [], ""
    while True:
        page = api.ask("GET", f"{HOME}/applications?limit=50{after}")
        items += page["items"]
        if not page.get("next"):
            return items
        after = f"&after={page['next']}"


def specification(number, image):
    # A command probe: the engine in memory answers it, nothing listens on a port.
    ready = {"command": ["true"], "period": "60s"}
    return {
        "apiVersion": "pluvio/v1",
        "name": f"app-{number:04}",
        "components": {
            "web": {"image": image, "ports": {"http": {"port": 8080, "protocol": "http"}}, "probes": {"ready": ready}}
        },
    }


def deploy(api, numbers, image):
    for number in numbers:
        spec = specification(number, image)
        api.ask("POST", f"{HOME}/applications/{spec['name']}/deploy", {"spec": spec})


def timed(api, paths):
    """Milliseconds of each, sorted. A short pause between two, so that what is looked up anew each second is in it."""
    times = {path: [] for path in paths}
    for number in range(ASKED + 20):
        for path in paths:
            begun = time.perf_counter()
            api.ask("GET", path)
            if number >= 20:
                times[path].append((time.perf_counter() - begun) * 1000)
            time.sleep(0.004)
    return [sorted(times[path]) for path in paths]


def wait_until_live(api, wanted):
    deadline = time.monotonic() + 600
    while True:
        live = sum(item["status"] == "running" for item in every(api))
        if live >= wanted:
            return
        if time.monotonic() > deadline:
            sys.exit(f"only {live} of {wanted} applications run after ten minutes")
        time.sleep(1)


def at(times, part):
    return round(times[int(len(times) * part)], 1)


def make(image):
    api = Api()
    # In parts, so that the queue stays short.
    for first in range(0, MANY, 100):
        deploy(api, range(first, first + 100), image)
        wait_until_live(api, first + 100)
        print(f"  {first + 100} applications", file=sys.stderr)


def measure(control):
    """Of a control that was just started: what it holds before anybody looks, and after."""
    api = Api()
    memory = {"stored": resident(control)}
    # What asks for nothing in particular tells how long the machine itself keeps an answer waiting.
    lists, overviews, others = timed(api, [f"{HOME}/applications?limit=50", f"{HOME}/overview", "/api/v1/session"])
    memory["page"] = resident(control)
    assert len(every(api)) == MANY
    memory["all"] = resident(control)
    viewers = [threading.Thread(target=lambda: [every(Api()) for _ in range(5)]) for _ in range(8)]
    for viewer in viewers:
        viewer.start()
    for viewer in viewers:
        viewer.join()
    memory["viewers"] = resident(control)
    print(json.dumps({
        "list_median": at(lists, 0.5), "list_p99": at(lists, 0.99),
        "overview_median": at(overviews, 0.5), "overview_p99": at(overviews, 0.99), "other_p99": at(others, 0.99),
        **{name: round(size) for name, size in memory.items()},
    }))


if verb == "make":
    make(given)
else:
    measure(given)
