from ask import until


def fill(at, env):
    wiki = at()
    until("the main page", lambda: wiki.get("/index.php?title=Main_Page"), 240)
    token = wiki.get("/api.php?action=query&meta=tokens&type=login&format=json").json()["query"]["tokens"]["logintoken"]
    signed = wiki.post("/api.php", {
        "action": "login", "lgname": "Admin", "lgpassword": env["ADMIN_PASSWORD"], "lgtoken": token, "format": "json"}).json()
    assert signed["login"]["result"] == "Success", signed
    token = wiki.get("/api.php?action=query&meta=tokens&format=json").json()["query"]["tokens"]["csrftoken"]
    edited = wiki.post("/api.php", {"action": "edit", "title": "Lighthouse", "text": "It has ''three'' lamps.", "token": token, "format": "json"}).json()
    assert edited["edit"]["result"] == "Success", edited


def kept(at, env):
    page = until("the page", lambda: at().get("/index.php?title=Lighthouse"))
    assert "<i>three</i> lamps" in page.text, page.text[:3000]
    assert env["SITE_NAME"] in page.text
