import time

from ask import until

WIRES = [
    {"id": "tab", "type": "tab", "label": "known"},
    {"id": "broker", "type": "mqtt-broker", "name": "", "broker": "mosquitto", "port": "1883", "keepalive": "60", "cleansession": True},
    # What is posted goes to the broker, and what the broker has kept is answered.
    {"id": "in", "type": "http in", "z": "tab", "url": "/say", "method": "post", "wires": [["out", "done"]]},
    {"id": "out", "type": "mqtt out", "z": "tab", "topic": "known/said", "qos": "1", "retain": "true", "broker": "broker", "wires": []},
    {"id": "done", "type": "http response", "z": "tab", "statusCode": "", "wires": []},
    {"id": "heard", "type": "mqtt in", "z": "tab", "topic": "known/said", "qos": "1", "datatype": "auto-detect", "broker": "broker", "wires": [["keep"]]},
    {"id": "keep", "type": "function", "z": "tab", "func": "flow.set('said', msg.payload.word);", "outputs": 0, "wires": []},
    {"id": "ask", "type": "http in", "z": "tab", "url": "/said", "method": "get", "wires": [["tell"]]},
    {"id": "tell", "type": "function", "z": "tab", "func": "msg.payload = {said: flow.get('said'), zone: env.get('TZ')}; return msg;", "outputs": 1, "wires": [["answer"]]},
    {"id": "answer", "type": "http response", "z": "tab", "statusCode": "", "wires": []},
]


def fill(at, env):
    nodered = at()
    until("Node-RED answers", lambda: "Node-RED" in nodered.get("/").text)
    nodered.send("/flows", WIRES, headers={"Node-RED-Deployment-Type": "full"}, status=204)

    def heard():
        nodered.send("/say", {"word": "over the broker"})
        time.sleep(0.2)
        return nodered.get("/said").json()["said"] == "over the broker"

    until("the broker hands on what was said", heard)


def kept(at, env):
    # The flows lie in Node-RED's volume, the word in the broker's.
    until("the word is there yet", lambda: at().get("/said").json()["said"] == "over the broker")
    assert at().get("/said").json()["zone"] == env["TZ"]
