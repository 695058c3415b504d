"""Eight kept connections that ask until a file appears: steady_load.py PORT HOST STOP-FILE; prints requests and failures.

Anything but a whole 200 is a failure, a closed connection included. Each waits 4 ms between two requests, so that the
instances, not the load, have the machine.
"""

import http.client
import os
import sys
import threading
import time

port, host, stop = int(sys.argv[1]), sys.argv[2], sys.argv[3]
asked = [0, 0]
lock = threading.Lock()


def work():
    good = bad = 0
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    while not os.path.exists(stop):
        try:
            connection.request("GET", "/", headers={"Host": host})
            answer = connection.getresponse()
            answer.read()
            if answer.status == 200:
                good += 1
            else:
                bad += 1
        except (OSError, http.client.HTTPException):
            bad += 1
            connection.close()
        time.sleep(0.004)
    with lock:
        asked[0] += good + bad
        asked[1] += bad


threads = [threading.Thread(target=work) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(asked[0], asked[1])
