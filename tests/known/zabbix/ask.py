from ask import until

# A new Zabbix has the user Admin with its maker's password; the first thing done is to change it.
FIRST = "zabbix"


def call(at, method, parameters, token=None):
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    answer = at().send("/api_jsonrpc.php", {"jsonrpc": "2.0", "method": method, "params": parameters, "id": 1}, headers=headers)
    assert "result" in answer, answer
    return answer["result"]


def fill(at, env):
    token = until("Zabbix answers", lambda: call(at, "user.login", {"username": "Admin", "password": FIRST}), 240)
    call(at, "user.update", {"userid": "1", "current_passwd": FIRST, "passwd": env["ADMIN_PASSWORD"]}, token)
    token = call(at, "user.login", {"username": "Admin", "password": env["ADMIN_PASSWORD"]})
    group = call(at, "hostgroup.get", {"filter": {"name": "Zabbix servers"}}, token)[0]["groupid"]
    interface = {"type": 1, "main": 1, "useip": 0, "ip": "", "dns": "the-agent", "port": "10050"}
    host = call(at, "host.create", {"host": "lighthouse", "groups": [{"groupid": group}], "interfaces": [interface]}, token)["hostids"][0]
    interface = call(at, "hostinterface.get", {"hostids": host}, token)[0]["interfaceid"]
    call(at, "item.create", {
        "name": "ping", "key_": "agent.ping", "hostid": host, "type": 0, "value_type": 3, "delay": "2s", "interfaceid": interface}, token)
    until("the agent is asked", lambda: history(at, token), 180)


def history(at, token):
    host = call(at, "host.get", {"filter": {"host": "lighthouse"}}, token)[0]["hostid"]
    item = call(at, "item.get", {"hostids": host}, token)[0]["itemid"]
    return call(at, "history.get", {"itemids": item, "history": 3, "limit": 5}, token)


def kept(at, env):
    page = until("Zabbix answers", lambda: at().get("/index.php"))
    assert env["ZBX_SERVER_NAME"] in page.text, page.text[:2000]
    token = until("signing in", lambda: call(at, "user.login", {"username": "Admin", "password": env["ADMIN_PASSWORD"]}))
    assert history(at, token)[0]["value"] == "1"
