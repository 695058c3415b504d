from ask import until


def fill(at, env):
    page = at()
    form = until("the page to sign in", lambda: page.get("/"))
    signed = page.post("/login", {"csrf": form.field("csrf"), "username": "admin", "password": env["ADMIN_PASSWORD"]})
    assert "/logout" in signed.text, signed.text[:2000]
    api = at()
    api.user = ("admin", env["ADMIN_PASSWORD"])
    api.send("/v1/categories", {"title": "Newspapers"}, status=201)


def kept(at, env):
    api = at()
    api.user = ("admin", env["ADMIN_PASSWORD"])
    titles = until("the categories", lambda: [one["title"] for one in api.get("/v1/categories").json()])
    assert "Newspapers" in titles, titles
