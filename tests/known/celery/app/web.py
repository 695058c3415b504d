import os

from flask import Flask, jsonify

import tasks

app = Flask(__name__)


@app.get("/")
def home():
    return os.environ["GREETING"]


@app.post("/add/<int:a>/<int:b>")
def add(a, b):
    return jsonify(task=tasks.add.delay(a, b).id), 202


@app.get("/result/<task>")
def result(task):
    found = tasks.app.AsyncResult(task)
    return jsonify(state=found.state, result=found.result if found.successful() else None)
