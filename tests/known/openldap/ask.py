from ask import until

ADMIN = "cn=admin,dc=example,dc=org"


def sign_in(at, env):
    page = at()
    until("phpLDAPadmin", lambda: page.get("/index.php"))
    form = until("the page to sign in", lambda: page.get("/cmd.php?cmd=login_form&server_id=1"))
    assert env["TITLE"] in form.text, form.text[:2000]
    signed = page.post("/cmd.php", {"cmd": "login", "server_id": "1", "nodecode[login_pass]": "1", "login": ADMIN, "login_pass": env["LDAP_ADMIN_PASSWORD"], "submit": "Authenticate"})
    assert "Successfully logged into server" in signed.text or "logout" in signed.text, signed.text[:3000]
    return page


def fill(at, env):
    page = sign_in(at, env)
    ldif = "dn: cn=Ada,dc=example,dc=org\nchangetype: add\nobjectClass: inetOrgPerson\ncn: Ada\nsn: Lovelace\n"
    added = page.post("/cmd.php", {"cmd": "import", "server_id": "1", "ldif": ldif, "continuous_mode": "0"})
    assert "Success" in added.text or "Adding" in added.text, added.text[:4000]


def kept(at, env):
    page = sign_in(at, env)
    found = until("the entry", lambda: page.get("/cmd.php?cmd=template_engine&server_id=1&dn=cn%3DAda%2Cdc%3Dexample%2Cdc%3Dorg"))
    assert "Lovelace" in found.text, found.text[:3000]
