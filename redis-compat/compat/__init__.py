"""The compatibility driver: other people's test suites, run against a server binary from outside.

Standard library only. The modules, each with one task:

- `sources`: fetches the suites and checks them against the pinned checksums;
- `server`: starts and ends the server under test;
- `tcl`, `redis_py`, `redis_rs`: run one suite and turn its output into results;
- `scenario`: runs a program that works with a server, and compares what it saw and left; `clients` and `frameworks` have such programs,
  `packages` installs what they need, `state` tells what is in a server;
- `verdict`: holds results against the expected failures;
- `pytest_recorder`: a pytest plugin that writes one line per test, loaded into the redis-py run.
"""
