import os

from celery import Celery

app = Celery("tasks", broker=os.environ["CELERY_BROKER_URL"], backend=os.environ["CELERY_RESULT_BACKEND"])
app.conf.update(task_track_started=True, broker_connection_retry_on_startup=True)


@app.task
def add(a, b):
    return a + b
