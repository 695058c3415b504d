from ask import until


def fill(at, env):
    prometheus, alertmanager = at(), at("alertmanager")

    def up():
        found = prometheus.get("/api/v1/query?query=up").json()["data"]["result"]
        return {one["metric"]["job"] for one in found if one["value"][1] == "1"} == {"prometheus", "node", "alertmanager"}

    until("Prometheus sees all three", up)
    assert prometheus.get("/api/v1/query?query=node_memory_MemTotal_bytes").json()["data"]["result"], "the node exporter tells of the machine"
    alert = until("the alert reaches Alertmanager", lambda: alertmanager.get("/api/v2/alerts").json())
    assert alert[0]["labels"]["alertname"] == "Watchdog", alert
    alertmanager.send("/api/v2/silences", {
        "matchers": [{"name": "alertname", "value": "Watchdog", "isRegex": False}],
        "startsAt": "2020-01-01T00:00:00Z", "endsAt": "2099-01-01T00:00:00Z", "createdBy": "somebody", "comment": "quiet"})


def kept(at, env):
    silences = until("Alertmanager answers", lambda: at("alertmanager").get("/api/v2/silences").json())
    assert silences[0]["comment"] == "quiet", silences
    # The first sample that was stored is there yet.
    count = "/api/v1/query?query=count_over_time(up%7Bjob%3D%22prometheus%22%7D%5B1h%5D)"
    counted = until("Prometheus answers", lambda: at().get(count).json()["data"]["result"])
    assert float(counted[0]["value"][1]) > 2, counted
