"""How long a command takes to make an address answer 200: first_answer.py URL HOST COMMAND…

Asks from the moment the command is started, waits for its end, and prints milliseconds.
"""

import http.client
import subprocess
import sys
import time
from urllib.parse import urlsplit

url, host, command = urlsplit(sys.argv[1]), sys.argv[2], sys.argv[3:]
begun = time.monotonic()
process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
while True:
    try:
        connection = http.client.HTTPConnection(url.hostname, url.port, timeout=2)
        connection.request("GET", url.path, headers={"Host": host})
        if connection.getresponse().status == 200:
            break
    except (OSError, http.client.HTTPException):
        pass
    finally:
        connection.close()
    if process.poll() not in (None, 0):
        sys.exit(f"{' '.join(command)} failed: {process.stderr.read().decode()}")
    if time.monotonic() - begun > 120:
        process.kill()
        sys.exit(f"{sys.argv[1]} did not answer 200 within two minutes")
    time.sleep(0.01)
print(round((time.monotonic() - begun) * 1000))
if process.wait() != 0:
    sys.exit(f"{' '.join(command)} failed: {process.stderr.read().decode()}")
