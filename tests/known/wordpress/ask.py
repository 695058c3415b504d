from ask import until


def sign_in(at, env):
    page = at()
    page.get("/wp-login.php")
    page.post("/wp-login.php", {"log": "editor", "pwd": env["ADMIN_PASSWORD"], "testcookie": "1"})
    dashboard = page.get("/wp-admin/")
    assert "wp-admin-bar-my-account" in dashboard.text, dashboard.text[:1000]
    return page


def fill(at, env):
    page = at()
    until("WordPress asks to be installed", lambda: "weblog_title" in page.get("/wp-admin/install.php?step=1").text)
    page.post("/wp-admin/install.php?step=2", {
        "weblog_title": "The known blog", "user_name": "editor", "admin_password": env["ADMIN_PASSWORD"],
        "admin_password2": env["ADMIN_PASSWORD"], "pw_weak": "1", "admin_email": "editor@example.org", "blog_public": "0"})
    page = sign_in(at, env)
    nonce = page.get("/wp-admin/admin-ajax.php?action=rest-nonce").text
    page.send("/index.php?rest_route=/wp/v2/posts", {"title": "First", "content": "Written before the change.", "status": "publish"},
              headers={"X-WP-Nonce": nonce}, status=201)


def kept(at, env):
    home = until("the blog", lambda: at().get("/"))
    assert "The known blog" in home.text and "Written before the change." in home.text, home.text[:3000]
    assert home.headers["X-Tagline"] == env["TAGLINE"], home.headers
    sign_in(at, env)
