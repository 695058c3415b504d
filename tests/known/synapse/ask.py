import hashlib
import hmac

from ask import until


def signed_in(at, env):
    page = at()
    login = page.send("/_matrix/client/v3/login", {
        "type": "m.login.password", "identifier": {"type": "m.id.user", "user": "ada"}, "password": env["ADA_PASSWORD"]})
    return page, {"Authorization": "Bearer " + login["access_token"]}


def fill(at, env):
    page = at()
    nonce = until("Synapse answers", lambda: page.get("/_synapse/admin/v1/register").json()["nonce"])
    words = "\0".join([nonce, "ada", env["ADA_PASSWORD"], "admin"])
    mac = hmac.new(env["REGISTRATION_SECRET"].encode(), words.encode(), hashlib.sha1).hexdigest()
    page.send("/_synapse/admin/v1/register", {"nonce": nonce, "username": "ada", "password": env["ADA_PASSWORD"], "admin": True, "mac": mac})
    page, headers = signed_in(at, env)
    room = page.send("/_matrix/client/v3/createRoom", {"name": "Engines", "room_alias_name": "engines"}, headers=headers)["room_id"]
    page.send(f"/_matrix/client/v3/rooms/{room}/send/m.room.message/1", {"msgtype": "m.text", "body": "It weaves algebra."}, method="PUT", headers=headers)


def kept(at, env):
    until("Synapse answers", lambda: at().get("/health"))
    page, headers = signed_in(at, env)
    room = page.get("/_matrix/client/v3/directory/room/%23engines:matrix.example.org").json()["room_id"]
    messages = page.get(f"/_matrix/client/v3/rooms/{room}/messages?dir=b&limit=5", headers=headers).text
    assert "It weaves algebra." in messages, messages
