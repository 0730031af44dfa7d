"""Waits for conditions instead of sleeping."""

import time


def eventually(condition, within=20.0, what="the condition", every=0.05):
    """The first truthy value of `condition`, which may raise grpc.RpcError or AssertionError until it holds."""
    import grpc

    deadline = time.monotonic() + within
    last = None
    while True:
        try:
            value = condition()
            if value:
                return value
            last = value
        except (grpc.RpcError, AssertionError) as error:
            last = error
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not come true within {within} s; last: {last!r}")
        time.sleep(every)
