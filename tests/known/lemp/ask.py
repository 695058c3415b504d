from ask import until


def fill(at, env):
    site = at()
    until("the site", lambda: site.get("/").json())
    assert site.get("/style.css").headers["Content-Type"] == "text/css"
    site.post("/", {"text": "through nginx and PHP"})
    assert "Login - Adminer" in until("Adminer", lambda: at("adminer").get("/").text)


def kept(at, env):
    site = until("the site", lambda: at().get("/").json())
    assert site["notes"] == ["through nginx and PHP"] and site["file"] == site["notes"][0] and site["motto"] == env["MOTTO"], site
