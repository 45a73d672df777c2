"""RQ: jobs of its queues are done by a real worker, which forks for each: results, failures, dependencies, schedules."""
import datetime
import logging
import os
import pathlib
import subprocess
import sys
import threading

import redis
import rq
from rq.command import send_shutdown_command, send_stop_job_command
from rq.job import Job, JobStatus
from rq.registry import FailedJobRegistry, FinishedJobRegistry, ScheduledJobRegistry

from check import DEADLINE, HOST, PORT, TENANT, run, same, true, until

r = redis.Redis(HOST, PORT)
queue = rq.Queue("default", connection=r)


def add(x, y):
    return x + y


def whose():
    """The worker's tenant, so that a job that reaches the wrong one is seen."""
    return os.environ["TENANT"]


def fail(text):
    raise ValueError(text)


def with_meta():
    job = rq.get_current_job()
    job.meta["tenant"] = os.environ["TENANT"]
    job.save_meta()
    return job.id


def wait_for_key(name):
    reply = redis.Redis(HOST, PORT).blpop(name, 15)
    return reply and reply[1].decode()


def fail_once(key):
    if redis.Redis(HOST, PORT).incr(key) == 1:
        raise ValueError("the first time")
    return "the second time"


def done(job, status=JobStatus.FINISHED):
    until(lambda: job.get_status(refresh=True) == status, f"{job.func_name} {status}")
    job.refresh()
    return job


def burst(*names):
    """A worker in this process, until the queues are empty."""
    worker = rq.Worker([rq.Queue(name, connection=r) for name in names or ("default",)], connection=r)
    return worker.work(burst=True, logging_level="WARNING")


def results():
    job = queue.enqueue(add, 2, 3)
    same([job.get_status(), queue.job_ids, len(queue)], [JobStatus.QUEUED, [job.id], 1])
    jobs = queue.enqueue_many([rq.Queue.prepare_data(add, (i, i)) for i in range(5)])
    low = rq.Queue("low", connection=r).enqueue(whose)
    same(burst("default", "low"), True)
    same([done(job).result, [done(j).result for j in jobs], done(low).result], [5, [0, 2, 4, 6, 8], TENANT])
    same(sorted(FinishedJobRegistry(queue=queue).get_job_ids()), sorted([job.id] + [j.id for j in jobs]))
    same({q.name for q in rq.Queue.all(connection=r)}, {"default", "low"})
    same([len(queue), queue.is_empty()], [0, True])
    same(Job.fetch(job.id, connection=r).result, 5)
    meta = queue.enqueue(with_meta, result_ttl=100)
    burst()
    same([done(meta).result, meta.meta], [meta.id, {"tenant": TENANT}])


def failures():
    job = queue.enqueue(fail, "because")
    again = queue.enqueue(fail_once, "attempts", retry=rq.Retry(max=2))
    burst()
    same(done(job, JobStatus.FAILED).is_failed, True)
    true("ValueError: because" in job.exc_info, job.exc_info)
    same(FailedJobRegistry(queue=queue).get_job_ids(), [job.id])
    same(done(again).result, "the second time")
    job.requeue()
    same([queue.job_ids, FailedJobRegistry(queue=queue).get_job_ids()], [[job.id], []])
    job.delete()
    same([Job.exists(job.id, connection=r), len(queue)], [False, 0])


def dependencies():
    first = queue.enqueue(add, 1, 1)
    second = queue.enqueue(whose, depends_on=first)
    third = queue.enqueue(add, 2, 2, depends_on=[first, second])
    same([second.get_status(), third.get_status()], [JobStatus.DEFERRED] * 2)
    burst()
    same([done(first).result, done(second).result, done(third).result], [2, TENANT, 4])


class Worker:
    """A worker with its scheduler, as it is started from a shell."""

    def __init__(self):
        environment = {**os.environ, "PYTHONPATH": str(pathlib.Path(__file__).resolve().parent)}
        self.child = subprocess.Popen(
            [sys.executable, "-m", "rq.cli", "worker", "--url", f"redis://{HOST}:{PORT}/0", "--with-scheduler", "--name", "worker", "default"],
            env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.lines = []
        threading.Thread(target=lambda: self.lines.extend(self.child.stdout), daemon=True).start()


def a_worker_of_its_own():
    """It waits in BLPOP, hears commands by pub/sub, and enqueues what is due."""
    worker = Worker()
    try:
        until(lambda: [w.name for w in rq.Worker.all(connection=r)] == ["worker"], "our worker, and no other")
        same(done(queue.enqueue(whose)).result, TENANT)
        soon = queue.enqueue_in(datetime.timedelta(seconds=0.1), whose)
        same([soon.get_status(), ScheduledJobRegistry(queue=queue).get_job_ids()], [JobStatus.SCHEDULED, [soon.id]])
        stopped = queue.enqueue(wait_for_key, "never")
        done(stopped, JobStatus.STARTED)
        until(lambda: rq.Worker.find_by_key("rq:worker:worker", connection=r).get_current_job_id() == stopped.id, "the job in the worker's hands")
        send_stop_job_command(r, stopped.id)
        until(lambda: stopped.get_status(refresh=True) in (JobStatus.STOPPED, JobStatus.FAILED), "the end of the stopped job")
        jobs = [queue.enqueue(add, i, 1) for i in range(10)]
        same([done(job).result for job in jobs], [i + 1 for i in range(10)])
        waiting = queue.enqueue(wait_for_key, "soon")
        done(waiting, JobStatus.STARTED)
        r.rpush("soon", TENANT)
        same([done(waiting).result, done(soon).result], [TENANT, TENANT])
        send_shutdown_command(r, "worker")
        same(worker.child.wait(DEADLINE), 0, "the worker's exit code")
        until(lambda: rq.Worker.all(connection=r) == [], "the worker's leave")
    except BaseException:
        worker.child.kill()
        print("".join(worker.lines[-40:]))
        raise


def what_is_stored():
    names = r.keys()
    true(all(name.startswith((b"rq:", b"attempts")) for name in names), names)
    same(set(r.scan_iter()), set(names))


def flush():
    same([r.flushdb(), r.dbsize()], [True, 0])


if __name__ == "__main__":
    import rq_jobs  # under the name that the workers know
    logging.getLogger("rq.worker").setLevel(logging.WARNING)
    run([rq_jobs.flush, rq_jobs.results, rq_jobs.failures, rq_jobs.dependencies, rq_jobs.what_is_stored, rq_jobs.flush,
         rq_jobs.a_worker_of_its_own, rq_jobs.flush])
