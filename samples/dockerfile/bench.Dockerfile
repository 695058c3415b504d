# The peer of this sample is its own Dockerfile, built by the engine alone; this is the same text without arguments.
FROM localhost/pluvio/base-python:3.13 AS build
WORKDIR /build
COPY server.py ./
RUN python3 -m py_compile server.py && rm -r __pycache__

FROM localhost/pluvio/base-python:3.13
ENV GREETING="Hello from a Dockerfile" PORT=8000 PYTHONUNBUFFERED=1
WORKDIR /app
COPY --from=build /build/server.py ./
USER 10001:10001
EXPOSE 8000
CMD ["python3", "server.py"]
