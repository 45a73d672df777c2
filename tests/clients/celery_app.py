"""Celery with the endpoint as broker (database 0) and result back end (database 1): a real worker with two processes."""
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time

import celery
import redis
from celery import chain, chord, group
from celery.exceptions import TaskRevokedError

from check import DEADLINE, HOST, PORT, TENANT, run, same, true, until

app = celery.Celery("jobs", broker=f"redis://{HOST}:{PORT}/0", backend=f"redis://{HOST}:{PORT}/1")
app.conf.update(result_expires=600, task_track_started=True, task_send_sent_event=True,
                broker_transport_options={"visibility_timeout": 30}, task_routes={"jobs.routed": {"queue": "other"}})
r = redis.Redis(HOST, PORT)


class Refused(Exception):
    pass


@app.task(name="jobs.add")
def add(x, y):
    return x + y


@app.task(name="jobs.join")
def join(words):
    """Says whose worker this is, so that a job that reaches the wrong one is seen."""
    return f"{TENANT}: {' '.join(str(word) for word in words)}"


@app.task(name="jobs.routed")
def routed():
    return TENANT


@app.task(name="jobs.refuse")
def refuse(text):
    raise Refused(text)


@app.task(name="jobs.again", bind=True, max_retries=5)
def again(self):
    if self.request.retries < 2:
        raise self.retry(countdown=0)
    return self.request.retries


@app.task(name="jobs.progress", bind=True)
def progress(self):
    for step in range(3):
        self.update_state(state="PROGRESS", meta={"step": step, "tenant": TENANT})
        r.blpop("go", 15)
    return "done"


@app.task(name="jobs.wait_for_key")
def wait_for_key(name):
    return r.blpop(name, 15)[1].decode()


class Worker:
    """A worker as it is started from a shell, and what it logs."""

    def __init__(self):
        environment = {**os.environ, "PYTHONPATH": str(pathlib.Path(__file__).resolve().parent)}
        self.child = subprocess.Popen(
            [sys.executable, "-m", "celery", "-A", "celery_app", "worker", "--loglevel=INFO", "--concurrency=2", "-E",
             "--queues=celery,other", "--hostname=worker@%h"],
            env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.lines = []
        threading.Thread(target=self._collect, daemon=True).start()

    def _collect(self):
        for line in self.child.stdout:
            self.lines.append(line.rstrip())

    def logged(self, text):
        def found():
            true(self.child.poll() is None, "the worker ended")
            return [line for line in self.lines if text in line]
        return until(found, f"{text!r} in the worker's log")

    def stop(self):
        self.child.send_signal(signal.SIGTERM)
        same(self.child.wait(2 * DEADLINE), 0, "the worker's exit code")
        until(lambda: any("worker: Warm shutdown" in line for line in self.lines), "the worker's last words")


def results():
    same(add.delay(2, 3).get(timeout=DEADLINE), 5)
    same(join.delay(["a", 1]).get(timeout=DEADLINE), f"{TENANT}: a 1")
    same(routed.delay().get(timeout=DEADLINE), TENANT)
    jobs = [join.delay([i]) for i in range(50)]
    same([job.get(timeout=DEADLINE) for job in jobs], [f"{TENANT}: {i}" for i in range(50)])
    same(jobs[7].state, "SUCCESS")
    same(app.AsyncResult(jobs[7].id).result, f"{TENANT}: 7")
    jobs[7].forget()
    same(app.AsyncResult(jobs[7].id).state, "PENDING")


def canvas():
    same(group(add.s(i, i) for i in range(20))().get(timeout=DEADLINE), [2 * i for i in range(20)])
    same(chain(add.s(1, 2), add.s(10), add.s(100))().get(timeout=DEADLINE), 113)
    same(chord((add.s(i, 1) for i in range(10)), join.s())().get(timeout=DEADLINE), f"{TENANT}: 1 2 3 4 5 6 7 8 9 10")
    same((group(add.s(1, 1), add.s(2, 2)) | join.s())().get(timeout=DEADLINE), f"{TENANT}: 2 4")
    same(add.chunks(zip(range(9), range(9)), 3)().get(timeout=DEADLINE), [[0, 2, 4], [6, 8, 10], [12, 14, 16]])
    nested = chord([chain(add.s(i, 1), add.s(1)) for i in range(3)], join.s())
    same(nested().get(timeout=DEADLINE), f"{TENANT}: 2 3 4")


def failures():
    job = refuse.delay("because")
    try:
        job.get(timeout=DEADLINE)
    except Refused as error:
        same(str(error), "because")
    else:
        raise AssertionError("the task did not fail")
    same(job.state, "FAILURE")
    same(again.delay().get(timeout=DEADLINE), 2)


def progress_reports():
    job = progress.delay()
    for step in range(3):
        until(lambda: job.state == "PROGRESS" and job.info["step"] == step, f"step {step}")
        same(job.info["tenant"], TENANT)
        r.rpush("go", "on")
    same(job.get(timeout=DEADLINE), "done")


def later():
    started = time.monotonic()
    same(add.apply_async((1, 1), countdown=0.3).get(timeout=DEADLINE), 2)
    true(time.monotonic() - started >= 0.3, "not before its time")
    same(add.apply_async((1, 1), priority=3).get(timeout=DEADLINE), 2)


def remote_control():
    """Broadcasts go over pub/sub: one worker answers, ours."""
    pong = [{"ok": "pong"}]
    same([list(reply.values()) for reply in app.control.ping(timeout=DEADLINE, limit=1)], [pong])
    true([list(reply.values()) for reply in app.control.ping(timeout=2)] in ([pong], []), "another's worker")
    inspect = app.control.inspect(timeout=DEADLINE, limit=1)
    queues = next(iter(inspect.active_queues().values()))
    same(sorted(queue["name"] for queue in queues), ["celery", "other"])
    true(next(iter(inspect.stats().values()))["total"]["jobs.add"] > 0, "statistics")
    replies = app.control.rate_limit("jobs.add", "100/s", reply=True, timeout=DEADLINE, limit=1)
    same([list(reply.values()) for reply in replies], [[{"ok": "new rate limit set successfully"}]])


def revoked():
    never = add.apply_async((1, 1), countdown=600)
    app.control.revoke(never.id)
    never.forget()
    waiting = wait_for_key.delay("never")
    until(lambda: waiting.state == "STARTED", "the job that is to be ended")
    app.control.revoke(waiting.id, terminate=True)
    try:
        waiting.get(timeout=DEADLINE)
    except TaskRevokedError:
        pass
    else:
        raise AssertionError("it was not revoked")
    job = wait_for_key.delay("soon")
    r.rpush("soon", TENANT)
    same(job.get(timeout=DEADLINE), TENANT)


def events(worker):
    """What a monitor like Flower does: the events of all workers, which are one."""
    seen = []
    with app.connection_for_read() as connection:
        receiver = app.events.Receiver(connection, handlers={"*": seen.append})
        captured = receiver.itercapture(timeout=DEADLINE, wakeup=True)
        next(captured)  # an event of a worker: it listens
        job = add.delay(20, 22)
        while not any(e["type"] == "task-succeeded" and e["uuid"] == job.id for e in seen):
            next(captured)
            true(len(seen) < 1000, "events without the one that is waited for")
    same(job.get(timeout=DEADLINE), 42)
    same({e["type"] for e in seen if e.get("uuid") == job.id} >= {"task-sent", "task-received", "task-started", "task-succeeded"}, True)
    true({e["pid"] for e in seen if e["type"].startswith("worker-")} <= {worker.child.pid}, "events of our worker alone")


def what_is_stored():
    """Names that Celery and Kombu use, in the database where each belongs, and values of ours alone."""
    known = (b"_kombu.binding.", b"unacked", b"celery", b"other", b"jobs", b"rpc")
    names = r.keys()
    true(names and all(name.startswith(known) for name in names), names)
    stored = redis.Redis(HOST, PORT, db=1)
    true(all(name.startswith((b"celery-task-meta-", b"chord-", b"celery-taskset-meta-")) for name in stored.scan_iter()), "results")
    other = "b" if TENANT == "a" else "a"
    for name in stored.scan_iter("celery-task-meta-*"):
        true(f'"{other}: '.encode() not in (stored.get(name) or b""), f"{name} has the other tenant's result")


def flush():
    same([r.flushall(), r.dbsize(), redis.Redis(HOST, PORT, db=1).dbsize()], [True, 0, 0])


def everything():
    flush()
    worker = Worker()
    try:
        worker.logged(" ready.")
        worker.logged("mingle: all alone")
        for step in (results, canvas, failures, progress_reports, later, remote_control, revoked, lambda: events(worker), what_is_stored):
            step()
        same(app.control.purge(), 0)
        worker.stop()
    except BaseException:
        worker.child.kill()
        print("\n".join(worker.lines[-40:]))
        raise
    flush()


if __name__ == "__main__":
    import celery_app  # under the name that the worker knows, so that exceptions are of one class
    run([celery_app.everything])
    sys.stdout.flush()
    os._exit(0)  # results that no collection has come upon yet would unsubscribe while the interpreter ends, and complain
