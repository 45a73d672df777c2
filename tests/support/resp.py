"""A RESP client that hides nothing: raw bytes of every request and reply, RESP2 and RESP3, no retries.

`Client.read_raw` gives one reply exactly as it came; `parse` turns such bytes into Python values that keep the
difference between the types (`Status`, `Error`, `Map`, ...), because that difference is what the tests are about.
"""
import io
import socket
import threading

TIMEOUT = 30.0  # seconds for any single wait on a socket


class ConnectionClosed(Exception):
    """The peer closed in the middle of, or instead of, a reply; `.partial` holds what had come."""

    def __init__(self, partial=b""):
        super().__init__(f"connection closed after {partial[:200]!r}")
        self.partial = partial


class Status(bytes):
    pass


class Error(bytes):
    """An error reply is a value here: most tests expect some."""


class Verbatim(bytes):
    pass


class BigNumber(int):
    pass


class Map(list):
    """(key, value) pairs in the order they came; keys may be unhashable."""

    def get(self, key, default=None):
        return next((value for name, value in self if name == key), default)


class Set(list):
    pass


class Push(list):
    pass


def encode(*args):
    """The multibulk form of one command; str, int and float become bytes."""
    parts = [b"*%d\r\n" % len(args)]
    for arg in args:
        arg = to_bytes(arg)
        parts.append(b"$%d\r\n%s\r\n" % (len(arg), arg))
    return b"".join(parts)


def to_bytes(arg):
    if isinstance(arg, (bytes, bytearray)):
        return bytes(arg)
    return str(arg).encode()


def inline(args):
    """The inline form, every argument quoted with \\x escapes where needed."""
    def quoted(arg):
        return b'"' + b"".join(bytes([b]) if 32 < b < 127 and b not in b'"\\' else b"\\x%02x" % b for b in arg) + b'"'
    return b" ".join(quoted(to_bytes(arg)) for arg in args) + b"\r\n"


def read_raw(stream):
    """One whole reply from a buffered binary stream, as bytes. Attributes come with the reply they belong to."""
    line = stream.readline()
    if not line.endswith(b"\r\n"):
        raise ConnectionClosed(line)
    kind = line[:1]
    if kind in (b"$", b"=", b"!"):
        size = int(line[1:])
        return line if size < 0 else line + _exactly(stream, size + 2)
    if kind in (b"*", b"~", b">"):
        return line + b"".join([read_raw(stream) for _ in range(int(line[1:]))])
    if kind in (b"%", b"|"):
        body = line + b"".join([read_raw(stream) for _ in range(2 * int(line[1:]))])
        return body + read_raw(stream) if kind == b"|" else body
    if kind not in (b"+", b"-", b":", b"_", b",", b"#", b"("):
        raise AssertionError(f"not the start of a reply: {line[:200]!r}")
    return line


def _exactly(stream, size):
    data = stream.read(size)
    if len(data) != size:
        raise ConnectionClosed(data)
    return data


def parse(raw):
    """The Python value of one raw reply."""
    return _parse(io.BytesIO(raw))


_SCALARS = {
    b"+": Status,
    b"-": Error,
    b":": int,
    b"_": lambda _: None,
    b",": float,
    b"#": lambda text: text == b"t",
    b"(": BigNumber,
}
_BULKS = {b"$": bytes, b"!": Error, b"=": lambda data: Verbatim(data[4:])}
_ARRAYS = {b"*": list, b"~": Set, b">": Push}


def _parse(stream):
    line = stream.readline()
    kind, text = line[:1], line[1:-2]
    if kind in _SCALARS:
        return _SCALARS[kind](text)
    count = int(text)
    if count < 0:
        return None
    if kind in _BULKS:
        return _BULKS[kind](stream.read(count + 2)[:-2])
    if kind in _ARRAYS:
        return _ARRAYS[kind]([_parse(stream) for _ in range(count)])
    pairs = Map((_parse(stream), _parse(stream)) for _ in range(count))
    return _parse(stream) if kind == b"|" else pairs


def connect(address, timeout=TIMEOUT):
    """A connected socket; `address` is (host, port) or the path of a unix socket."""
    if isinstance(address, str):
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    else:
        sock = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET, socket.SOCK_STREAM)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.settimeout(timeout)
    sock.connect(address)
    return sock


class Client:
    """One connection. Not for use by two threads, but for `send_in_background`, which only writes."""

    def __init__(self, address, protocol=2, timeout=TIMEOUT):
        self.sock = connect(address, timeout)
        self._stream = self.sock.makefile("rb", buffering=1 << 16)
        if protocol != 2:
            reply = self.call("HELLO", protocol)
            assert not isinstance(reply, Error), reply

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self._stream.close()
        self.sock.close()

    def send_raw(self, data):
        self.sock.sendall(data)

    def send(self, *args):
        self.send_raw(encode(*args))

    def send_in_background(self, chunks):
        """Writes while the caller reads, so that neither side can block the other. Join the result. A peer that
        hangs up early is for the reader to see."""
        def run():
            try:
                for chunk in chunks:
                    self.sock.sendall(chunk)
            except OSError:
                pass
        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        return thread

    def half_close(self):
        self.sock.shutdown(socket.SHUT_WR)

    def read_raw(self):
        return read_raw(self._stream)

    def read(self):
        return parse(self.read_raw())

    def call_raw(self, *args):
        self.send(*args)
        return self.read_raw()

    def call(self, *args):
        return parse(self.call_raw(*args))

    def pipeline(self, commands):
        """Sends all, then reads all; for small batches."""
        self.send_raw(b"".join(encode(*command) for command in commands))
        return [self.read() for _ in commands]

    def read_until_closed(self):
        """Everything up to the end of the stream; a reset counts as the end."""
        pieces = []
        try:
            while piece := self._stream.read1(1 << 16):
                pieces.append(piece)
        except ConnectionResetError:
            pass
        return b"".join(pieces)


def split_replies(raw):
    """The whole replies that a stretch of bytes consists of."""
    stream, replies = io.BytesIO(raw), []
    while stream.tell() < len(raw):
        replies.append(read_raw(stream))
    return replies
