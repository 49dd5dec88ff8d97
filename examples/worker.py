"""A worker of the consumer group `billing`: worker.py NAME SECONDS_PER_ORDER"""

import sys
import time

import redis

name, seconds_per_order = sys.argv[1], float(sys.argv[2])
server = redis.Redis(port=7379, decode_responses=True)


def bill(entries):
    for entry_id, order in entries:
        time.sleep(seconds_per_order)  # the work
        server.xack("orders", "billing", entry_id)
        print(f"{name} billed order {order['number']}")


# First what another worker took and has not acknowledged for five seconds, then what is new.
_, abandoned, _ = server.xautoclaim("orders", "billing", name, min_idle_time=5000)
bill(abandoned)
while new := server.xreadgroup("billing", name, {"orders": ">"}, count=3, block=1000):
    bill(new[0][1])
