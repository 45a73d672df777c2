"""Between weir and a Redis: cuts connections at the one moment that a test is about, when a request has been carried out
and its reply has not come back; or has requests of two connections overtake each other. So the test knows what weir cannot know.

    relay.cut_at(b"tenant:a:k", times=1)   # the next request with these bytes in it
    relay.seen(b"tenant:a:k")              # how many have gone to Redis since then
    relay.hold(b"BLPOP", until=b"UNBLOCK") # the next such request waits until the other one has been answered
    relay.hold(b"EXEC", until=b"WATCH", behind=True)  # until one that comes behind it has been

Or it is a bad network, until mend():

    relay.cut_off()         # no connection lives, none is made
    relay.swallow()         # what comes is lost, and nobody is told
    relay.slow_down(0.1)    # each piece waits so long
"""
import os
import select
import socket
import threading

import resp
from servers import DEADLINE


class _Hold:
    def __init__(self, mark, until, begun):
        self.mark, self.until, self.begun = mark, until, begun
        self.answered, self.passed = threading.Event(), threading.Event()


class Relay:
    """On a unix socket beside that of the server; one thread for each connection."""

    def __init__(self, redis, name="relay"):
        self._target = redis.address
        self.address = f"{redis.address}.{name}"
        self.url = "unix://" + self.address
        self._lock = threading.Lock()
        self._marks, self._open, self._holds = {}, set(), []
        self._is_cut, self._swallows, self._delay, self._mended = False, False, 0.0, threading.Event()
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(self.address)
        self._listener.listen(100)
        threading.Thread(target=self._accept, daemon=True).start()

    def cut_at(self, mark, times=1, passing=0):
        """Cuts each connection on which a request with the mark has been answered, so many times; `passing` so many bytes
        of what is answered."""
        with self._lock:
            self._marks[mark] = [times, 0, passing]

    def seen(self, mark):
        """How often a request with the mark has been passed on."""
        with self._lock:
            return self._marks[mark][1]

    def hold(self, mark, until, behind=False):
        with self._lock:
            self._holds.append(_Hold(mark, until, begun=not behind))

    def cut_off(self):
        with self._lock:
            self._is_cut = True
            self._cut_all()

    def swallow(self):
        self._swallows = True

    def slow_down(self, seconds):
        self._mended.clear()
        self._delay = seconds

    def mend(self):
        """What has waited goes on at once. Connections of which something was lost end."""
        with self._lock:
            if self._swallows:
                self._cut_all()
            self._is_cut, self._swallows, self._delay = False, False, 0.0
            self._mended.set()

    def close(self):
        self._listener.close()
        os.unlink(self.address)
        with self._lock:
            self._cut_all()

    def _cut_all(self):
        for sock in self._open:
            _shut(sock)

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = resp.connect(self._target)
            except OSError:
                client.close()
                continue
            with self._lock:
                self._open |= {client, server}
                if self._is_cut:
                    self._cut_all()
            threading.Thread(target=self._carry, args=(client, server), daemon=True).start()

    def _carry(self, client, server):
        """Both ways until either end is gone, or until the reply to a marked request is there: that one is kept."""
        passing, tail, awaited = None, b"", []
        try:
            while True:
                ready, _, _ = select.select([client, server], [], [])
                if server in ready:
                    data = server.recv(1 << 16)
                    if not data:
                        return
                    if not self._lets_pass():
                        continue
                    for hold in awaited:
                        hold.answered.set()
                        hold.passed.wait(DEADLINE)
                    awaited = []
                    client.sendall(data[:passing])
                    passing = None if passing is None else passing - len(data)
                    if passing is not None and passing <= 0:
                        return
                if client in ready:
                    data = client.recv(1 << 16)
                    if not data:
                        return
                    if not self._lets_pass():
                        continue
                    found, tail = self._look(tail, data)
                    passing = found if passing is None else passing
                    held = self._holds_for(data, awaited)
                    for hold in held:
                        hold.answered.wait(DEADLINE)
                    server.sendall(data)
                    for hold in held:
                        hold.passed.set()
        except OSError:
            pass
        finally:
            with self._lock:
                self._open -= {client, server}
            for sock in (client, server):
                _shut(sock)
                sock.close()

    def _lets_pass(self):
        """Now, or a while later."""
        if self._delay:
            self._mended.wait(self._delay)
        return not self._swallows

    def _holds_for(self, data, awaited):
        """What this request has to wait for; `awaited` gets what waits for its answer."""
        with self._lock:
            held = [hold for hold in self._holds if hold.mark in data and not hold.passed.is_set()]
            awaited += [hold for hold in self._holds if hold.begun and hold.until in data]
            for hold in held:
                hold.begun = True
        return held

    def _look(self, tail, data):
        """How much of the answer is passed on before this connection ends, None: it does not; and what a mark may have
        begun in."""
        passing = None
        with self._lock:
            for mark, state in self._marks.items():
                if count := (tail[1 - len(mark):] + data).count(mark):
                    state[1] += count
                    if state[0] > 0:
                        state[0] -= 1
                        passing = state[2]
        return passing, (tail + data)[-200:]


def _shut(sock):
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
