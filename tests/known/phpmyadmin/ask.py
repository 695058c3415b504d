import json

from ask import until


def sign_in(at, env):
    page = at()
    form = until("the page to sign in", lambda: page.get("/index.php"))
    signed = page.post("/index.php?route=/", {
        "token": form.field("token"), "set_session": form.field("set_session"), "pma_username": "shop", "pma_password": env["DB_PASSWORD"],
        "server": "1", "target": "index.php"})
    assert "shop@" in signed.text, signed.text[:3000]
    return page, signed.field("token")


def query(page, token, sql):
    reply = page.post("/index.php?route=/import", {
        "token": token, "db": "shop", "sql_query": sql, "ajax_request": "true", "ajax_page_request": "true", "sql_delimiter": ";"})
    answer = json.loads(reply.text)
    assert answer["success"], answer
    return reply.text


def fill(at, env):
    page, token = sign_in(at, env)
    query(page, token, "CREATE TABLE goods (name VARCHAR(40) PRIMARY KEY)")
    query(page, token, "INSERT INTO goods VALUES ('a lamp of brass')")


def kept(at, env):
    page, token = sign_in(at, env)
    assert "a lamp of brass" in query(page, token, "SELECT name FROM goods")
