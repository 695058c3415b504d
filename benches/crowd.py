"""Many pods on nodes that kwok plays, through the API.

    crowd.py nodes COUNT                          prints a list of such nodes
    crowd.py make PORT                            deploys the applications and waits until all of their pods are ready
    crowd.py measure PORT PID KUBECTL KUBECONFIG  control's process; prints one JSON document: milliseconds and megabytes

PLUVIO_TOKEN is an owner's token, IMAGE what the applications name.
"""

import http.client
import json
import os
import subprocess
import sys
import time

HOME = "/api/v1/teams/main/environments/bench"
APPLICATIONS, INSTANCES, ASKED = 50, 100, 300
# One of this machine: no program runs on these nodes, so none is pulled.
IMAGE = os.environ.get("IMAGE")


def nodes(count):
    room = {"cpu": "32", "memory": "256Gi", "pods": "110"}
    items = []
    for number in range(count):
        name = f"fake-{number:03}"
        labels = {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}
        metadata = {"name": name, "labels": labels, "annotations": {"kwok.x-k8s.io/node": "fake"}}
        items.append({"apiVersion": "v1", "kind": "Node", "metadata": metadata, "status": {"capacity": room, "allocatable": room}})
    json.dump({"apiVersion": "v1", "kind": "List", "items": items}, sys.stdout)


class Api:
    def __init__(self, port):
        self.connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=60)
        self.headers = {"Authorization": f"Bearer {os.environ['PLUVIO_TOKEN']}", "Content-Type": "application/json"}

    def ask(self, method, path, body=None):
        self.connection.request(method, path, body and json.dumps(body), self.headers)
        answer = self.connection.getresponse()
        text = answer.read()
        if answer.status >= 300:
            sys.exit(f"{method} {path}: {answer.status} {text.decode()}")
        return json.loads(text)


def wait_until(api, ready):
    deadline = time.monotonic() + 900
    while True:
        page = api.ask("GET", f"{HOME}/applications?limit=50")["items"]
        running = sum(item["status"] == "running" for item in page)
        failed = [item["name"] for item in page if item["status"] == "failed"]
        if failed:
            sys.exit(f"not deployed: {', '.join(failed)}")
        if running >= ready:
            return
        if time.monotonic() > deadline:
            sys.exit(f"only {running} of {ready} applications run after fifteen minutes")
        time.sleep(1)


def make(port):
    api = Api(port)
    for number in range(APPLICATIONS):
        name = f"crowd-{number:02}"
        web = {"image": IMAGE, "instances": INSTANCES, "ports": {"http": {"port": 8080, "protocol": "http"}}}
        web["rollout"] = {"deadline": "10m"}
        spec = {"apiVersion": "pluvio/v1", "name": name, "components": {"web": web}}
        api.ask("POST", f"{HOME}/applications/{name}/deploy", {"spec": spec})
        if number % 10 == 9:
            wait_until(api, number + 1)
            print(f"  {(number + 1) * INSTANCES} pods", file=sys.stderr)


def timed(api, path):
    times = []
    for number in range(ASKED + 10):
        begun = time.perf_counter()
        api.ask("GET", path)
        if number >= 10:
            times.append((time.perf_counter() - begun) * 1000)
        time.sleep(0.01)
    return sorted(times)


def seen(api, kubectl):
    """From the command that deletes a pod to the answer that has it no more."""
    path = f"{HOME}/applications/crowd-00"
    times = []
    for _ in range(10):
        names = lambda: [one["name"] for c in api.ask("GET", path)["components"] for one in c["instances"]]
        gone = names()[0]
        kubectl("delete", "pod", "-n", "main--bench", gone, "--wait=false", "--grace-period=0", "--force")
        begun = time.perf_counter()
        while gone in names():
            time.sleep(0.01)
        times.append((time.perf_counter() - begun) * 1000)
    return sorted(times)


def measure(port, pid, program, kubeconfig):
    api = Api(port)
    run = lambda *words: subprocess.run([program, "--kubeconfig", kubeconfig, *words], check=True, capture_output=True)
    lists, workloads = timed(api, f"{HOME}/applications?limit=50"), timed(api, "/api/v1/clusters/bench/overview")
    begun = time.perf_counter()
    run("get", "pods", "-A")
    listed = (time.perf_counter() - begun) * 1000
    times = seen(api, run)
    with open(f"/proc/{pid}/status") as status:
        memory = int(dict(line.split(":", 1) for line in status)["VmRSS"].split()[0]) / 1024
    at = lambda values, part: round(values[int(len(values) * part)], 1)
    figures = {
        "list_median": at(lists, 0.5), "list_p99": at(lists, 0.99),
        "workloads_median": at(workloads, 0.5), "workloads_p99": at(workloads, 0.99),
        "kubectl": round(listed), "seen": round(times[-1]), "memory": round(memory),
    }
    json.dump(figures, sys.stdout)


{"nodes": lambda: nodes(int(sys.argv[2])), "make": lambda: make(sys.argv[2]), "measure": lambda: measure(*sys.argv[2:])}[sys.argv[1]]()
