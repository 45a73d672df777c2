"""What the Python programs share: the endpoint, strict comparison, bounded waits, and the end."""
import concurrent.futures
import faulthandler
import os
import re
import sys
import threading
import time
import traceback

HOST, PORT, TENANT = os.environ["REDIS_HOST"], int(os.environ["REDIS_PORT"]), os.environ["TENANT"]
DEADLINE = 30.0  # seconds for anything that has to happen


def mine(text):
    """A value that no other tenant writes."""
    return f"{TENANT}:{text}".encode()


def same(actual, wanted, what=""):
    """Equal in value and in type."""
    if actual != wanted or type(actual) is not type(wanted):
        raise AssertionError(f"{what or 'value'}: {actual!r}, and should be {wanted!r}")


def true(condition, what):
    if not condition:
        raise AssertionError(what)


def fails(kind, pattern, call, *args, **options):
    """The call raises an error of exactly this class whose text matches."""
    try:
        result = call(*args, **options)
    except kind as error:
        if type(error) is not kind or not re.search(pattern, str(error)):
            raise AssertionError(f"{type(error).__name__}: {error}; should be {kind.__name__}: {pattern}") from error
        return
    raise AssertionError(f"{result!r}; should be {kind.__name__}: {pattern}")


def until(condition, what):
    """The first true value of `condition`, looked for every few milliseconds."""
    end, pause = time.monotonic() + DEADLINE, threading.Event()
    while not (value := condition()):
        if time.monotonic() > end:
            raise AssertionError(f"{what} did not come about in {DEADLINE:g} s")
        pause.wait(0.005)
    return value


def at_once(call, *args, **options):
    """The call on a thread of its own; `.result(DEADLINE)` is what it returns. A daemon: it cannot keep us from ending."""
    future = concurrent.futures.Future()

    def run():
        try:
            future.set_result(call(*args, **options))
        except BaseException as error:
            future.set_exception(error)
    threading.Thread(target=run, daemon=True).start()
    return future


def run(steps):
    """Each step of a list; what fails is named, and ends the program. One that hangs says where."""
    faulthandler.dump_traceback_later(4 * DEADLINE, exit=True)
    for step in steps:
        try:
            step()
        except BaseException:
            traceback.print_exc()
            print(f"failed in {step.__name__} (tenant {TENANT})")
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(1)
    print("ok")
