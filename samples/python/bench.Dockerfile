# The same application as its author would package it by hand: what warm rebuilds are measured against.
FROM localhost/pluvio/base-python-build:3.13 AS build
WORKDIR /app
RUN python3 -m venv /app/.venv
COPY requirements.txt ./
RUN /app/.venv/bin/pip install -r requirements.txt

FROM localhost/pluvio/base-python:3.13
WORKDIR /app
ENV PYTHONUNBUFFERED=1 PATH=/app/.venv/bin:/usr/local/bin:/usr/bin:/bin PORT=8080
COPY --from=build /app/.venv ./.venv
COPY . .
USER 10001:10001
EXPOSE 8080
CMD ["sh", "-c", "exec gunicorn --bind 0.0.0.0:$PORT --threads 4 --access-logfile - app:app"]
