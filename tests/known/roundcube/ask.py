import re

from ask import until


def sign_in(at, env):
    page = at()
    form = until("the page to sign in", lambda: page.get("/?_task=login"))
    assert env["PRODUCT_NAME"] in form.text, form.text[:2000]
    signed = page.post("/?_task=login", {
        "_token": form.field("_token"), "_task": "login", "_action": "login", "_user": "ada", "_pass": env["USER_PASSWORD"], "_timezone": "UTC"})
    assert '"task":"mail"' in signed.text.replace(" ", ""), signed.text[:3000]
    return page, re.search(r'"request_token":"(\w+)"', signed.text)[1]


def fill(at, env):
    page, token = sign_in(at, env)
    # A draft: it is kept by Dovecot.
    compose = page.get("/?_task=mail&_action=compose")
    number = re.search(r'"compose_id":"(\w+)"', compose.text)[1]
    identity = re.search(r'<select name="_from"[^>]*>\s*<option value="(\d+)"', compose.text)[1]
    sent = page.post("/?_task=mail&_action=send&_framed=1", {
        "_token": token, "_id": number, "_from": identity, "_to": "grace@example.org", "_subject": "About the engine",
        "_draft": "1", "_message": "It runs.", "_store_target": "Drafts", "_is_html": "0"})
    assert "sent_successfully" in sent.text or "messagesaved" in sent.text or "savedraft" in sent.text or "compose_field_hash" in sent.text, sent.text[:2000]


def kept(at, env):
    page, _ = sign_in(at, env)
    found = page.get("/?_task=mail&_action=list&_mbox=Drafts&_remote=1", headers={"X-Requested-With": "XMLHttpRequest"})
    assert "About the engine" in found.text, found.text[:2000]
