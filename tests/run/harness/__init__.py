"""What the suites outside the gateway share: processes, the mock's script, the management API.

Python's standard library only, so that every virtual environment and the plain `python3` can import it.
"""
