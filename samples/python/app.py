"""Notes: a page, a small API, a health check. Notes live as long as the instance."""

import logging
import os
import socket
import sys
import threading

from flask import Flask, jsonify, redirect, render_template, request, url_for

logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
log = logging.getLogger("notes")

app = Flask(__name__)

lock = threading.Lock()
notes: list[str] = []
visits = 0


@app.get("/")
def page():
    global visits
    with lock:
        visits += 1
        shown = list(notes)
    return render_template(
        "index.html",
        title=os.environ.get("TITLE", "Notes"),
        notes=shown,
        visits=visits,
        instance=socket.gethostname(),
    )


@app.post("/notes")
def add():
    text = request.form.get("text", "").strip()[:200]
    if not text:
        return "text is missing\n", 400
    with lock:
        notes.append(text)
    log.info("note %d added", len(notes))
    return redirect(url_for("page"))


@app.get("/api/notes")
def list_notes():
    with lock:
        return jsonify(list(notes))


@app.get("/env")
def env():
    return jsonify({name: os.environ.get(name, "") for name in ("TITLE", "PORT")})


@app.get("/healthz")
def healthz():
    return "ok\n", 200, {"Content-Type": "text/plain"}


log.info("ready in process %d", os.getpid())
