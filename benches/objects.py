"""Objects of a cluster as somebody would write them: reads a list from standard input, writes one without what the cluster adds.

    kubectl get … -o json | objects.py NAMESPACE
"""

import json
import sys

ADDED = ("uid", "resourceVersion", "creationTimestamp", "generation", "managedFields", "ownerReferences", "annotations")

# Pluvio looks after whatever carries its labels, wherever it is.
objects = json.loads(sys.stdin.read().replace('"pluvio.io/', '"bench.test/'))
for item in objects["items"]:
    item.pop("status", None)
    metadata = item["metadata"]
    metadata["namespace"] = sys.argv[1]
    for key in ADDED:
        metadata.pop(key, None)
    for key in ("clusterIP", "clusterIPs"):
        if item["kind"] == "Service" and item["spec"].get(key) not in ("None", ["None"]):
            item["spec"].pop(key, None)
    item["spec"].get("template", {}).get("spec", {}).pop("imagePullSecrets", None)
json.dump({"apiVersion": "v1", "kind": "List", "items": objects["items"]}, sys.stdout)
