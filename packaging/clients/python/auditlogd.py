# SPDX-License-Identifier: MIT OR Apache-2.0
"""Send events to auditlogd: each once, and without ever holding up the application.

    import auditlogd
    log = auditlogd.Client(spool="/var/lib/shop/audit.spool")
    log.send({"event_type": "auth.login", "actor": "alice", "outcome": "success"})

    logging.getLogger("shop").addHandler(auditlogd.AuditHandler(spool="/var/lib/shop/audit.spool"))

An event without "event_id" gets one, and one without "timestamp", "ts" or "time" the time of the call. What the daemon has not
acknowledged is sent again when it is back, byte for byte, and the daemon knows repeats by that id. Until then it waits in the
spool, a file of at most `spool_bytes` that one process has at a time; without a spool in memory. send() raises AuditError when
no more can be taken: nothing is dropped in silence. After a fork the child has a connection of its own, and no spool.
"""
import atexit
import collections
import datetime
import fcntl
import json
import logging
import os
import random
import select
import socket
import stat
import sys
import threading
import time
import uuid
import weakref
from typing import Any, Callable, Deque, Dict, List, Optional, Tuple

__all__ = ["AuditError", "AuditHandler", "Client"]

_HELLO = b'{"auditlog":{"ack":true}}\n'
_HEADER, _MARK = b' {"auditlogd_spool":1}\n', b' {"acknowledged":'
_LONGEST = 1 << 20


class AuditError(OSError):
    """An event was not taken, or events are not acknowledged; the message says why."""


class _Spool:
    """A first line that says what the file is, an event a line, and marks of how far they are answered. What is
    no event begins with a space. `auditlog emit --spool` and the Rust client read and write the same."""

    def __init__(self, path: str, limit: int) -> None:
        self.path, self.limit = path, limit
        try:
            self.fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise AuditError("the spool '%s' cannot be opened: %s; it needs a directory that is this user's" % (path, error.strerror)) from None
        try:
            found = os.fstat(self.fd)
            if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid():
                raise AuditError("the spool '%s' is no file of this user; name another" % path)
            try:
                fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise AuditError("the spool '%s' is in use by another process; use a file for each" % path) from None
            self._scan()
        except BaseException:
            os.close(self.fd)
            raise

    def _scan(self) -> None:
        # Where the next write goes, where the last event ends, what was read to be sent, what is answered, the last mark.
        self.size = self.end = self.read = self.answered = self.marked = 0
        with open(os.dup(self.fd), "rb") as file:
            for line in iter(lambda: file.readline(_LONGEST + 1), b""):
                if self.size == 0 and line != _HEADER and not (_HEADER.startswith(line) or len(line) > _LONGEST):
                    raise AuditError("'%s' is no spool; name a file of its own for it" % self.path)
                if not line.endswith(b"\n"):
                    break  # Cut off by a crash: nobody was told that it is kept.
                self.size += len(line)
                if not line.startswith(b" "):
                    self.end = self.size
                elif line.startswith(_MARK):
                    self.answered = max(self.answered, min(int(line[len(_MARK):-2]), self.end))
        self.answered = self.answered or min(len(_HEADER), self.size)
        self.read = self.marked = self.answered
        self.torn = os.fstat(self.fd).st_size - self.size
        os.ftruncate(self.fd, self.size)

    def fits(self, length: int) -> bool:
        return max(self.size, len(_HEADER)) + length <= self.limit

    def append(self, lines: bytes) -> int:
        """Durable when it returns; where the first line begins. The caller sets `read` if it has the lines itself."""
        if not self.fits(len(lines)):
            raise AuditError("the spool '%s' is full: %d of %d bytes" % (self.path, self.size, self.limit))
        header = b"" if self.size else _HEADER
        self._write(header + lines)
        os.fdatasync(self.fd)
        if header:
            self.read = self.answered = self.marked = len(header)
        first, self.size = self.size + len(header), self.size + len(header) + len(lines)
        self.end = self.size
        return first

    def _write(self, data: bytes) -> None:
        os.ftruncate(self.fd, self.size)  # Of a write that failed there may be more.
        offset = 0
        while offset < len(data):
            offset += os.pwrite(self.fd, data[offset:], self.size + offset)

    def next(self) -> List[Tuple[bytes, int]]:
        """The next events and where each ends."""
        data = os.pread(self.fd, min(self.end - self.read, 2 * _LONGEST), self.read)
        events = []
        for line in data.split(b"\n")[:-1]:
            self.read += len(line) + 1
            if not line.startswith(b" "):
                events.append((line + b"\n", self.read))
        return events

    def done(self, end: int) -> None:
        self.answered = end
        if end == self.end:  # Everything: emptied, and durably so, for the daemon does not know ids for ever.
            self.size = self.end = self.read = self.answered = self.marked = 0
            os.ftruncate(self.fd, 0)
            os.fdatasync(self.fd)
        elif end - self.marked > _LONGEST:
            self.mark()

    def mark(self) -> None:
        if self.answered > self.marked:
            mark = _MARK + b"%d}\n" % self.answered
            self._write(mark)
            self.size, self.marked = self.size + len(mark), self.answered


class _Entry:
    __slots__ = ("line", "end", "refused")

    def __init__(self, line: bytes, end: Optional[int] = None) -> None:
        self.line = line
        self.end = end  # Where it ends in the spool, if it is there.
        self.refused = False


class Client:
    """A way to the daemon, for any number of threads. There need be no daemon to make one.

    `send_timeout`: how long, in seconds, a daemon that is slower than the application may hold up send(). `on_reject` is called with
    the daemon's reason ({"line", "code", "message"}) and the line of an event that it refused, which is never sent again.
    """

    def __init__(self, path: str = "/run/auditd.sock", spool: Optional[str] = None, spool_bytes: int = 64 << 20,
                 send_timeout: float = 0.25, on_reject: Optional[Callable[[Dict[str, Any], bytes], None]] = None,
                 window_bytes: int = 8 << 20, window_events: int = 32768) -> None:
        self.path, self.send_timeout, self.on_reject = path, send_timeout, on_reject
        self.accepted = self.rejected = self.failed = 0
        self.why = "it has not answered yet"
        self._closed = False
        self._most = (window_events, window_bytes)
        self._waiting: Deque[_Entry] = collections.deque()  # not given to the connection
        self._sent: Deque[_Entry] = collections.deque()  # given to it, and not answered
        self._refused: Deque[Tuple[Dict[str, Any], bytes]] = collections.deque()  # not told yet
        self._bytes = self._unkept = 0  # of all these; of those that are not in the spool
        self._sock: Optional[socket.socket] = None
        self._out, self._in, self._answered = b"", b"", 0
        self._retry_at, self._backoff = 0.0, 0.05
        self._spool = None if spool is None else _Spool(spool, spool_bytes)
        self.torn = self._spool.torn if self._spool else 0  # bytes of an unfinished event that a crash had left in the spool
        self._forked(parent=self)
        myself = weakref.ref(self)
        os.register_at_fork(after_in_child=lambda: Client._forked(myself()))
        atexit.register(self._at_exit)
        with self._lock:
            self._turn()

    def _forked(self: Optional["Client"], parent: Optional["Client"] = None) -> None:
        """What is on its way is the parent's, and so is the spool."""
        if self is None:
            return
        self._lock = threading.RLock()
        if parent is None:
            if self._spool is not None:
                os.close(self._spool.fd)
            self._spool = None
            self._waiting.clear()
            self._sent.clear()
            self._bytes = self._unkept = 0
            self._drop_socket()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def send(self, event: Dict[str, Any]) -> None:
        """Takes an event. AuditError: it was not taken, and is counted in `failed`; ValueError: it is no JSON. What JSON does not
        know (dates, paths, ...) is sent as its str()."""
        event = dict(event)
        if event.get("event_id") is None:
            event["event_id"] = str(uuid.uuid4())
        if not {"timestamp", "ts", "time"} & event.keys():
            event["timestamp"] = datetime.datetime.now(datetime.timezone.utc).isoformat()
        line = json.dumps(event, allow_nan=False, default=str, separators=(",", ":")).encode() + b"\n"
        until = time.monotonic() + self.send_timeout
        with self._lock:
            try:
                self._send(line, until)
            except OSError:
                self.failed += 1
                raise

    def _send(self, line: bytes, until: float) -> None:
        spool = self._spool
        if self._closed:
            raise AuditError("the client is closed, and nothing would send the event; make another client")
        if len(line) > _LONGEST or spool and len(line) + len(_HEADER) > spool.limit:
            raise AuditError("an event of %d bytes is longer than any that can be sent; shorten it" % len(line))
        while True:
            self._turn()
            direct = not spool or self._sock and spool.read >= spool.end and spool.fits(self._unkept + len(line))
            count, room = len(self._waiting) + len(self._sent), self._bytes + len(line) <= self._most[1]
            if direct and (not count or count < self._most[0] and room):
                self._take(_Entry(line))
                return self._turn()
            left = until - time.monotonic()
            if not self._sock or left <= 0 or spool and spool.end:
                break
            self._poll(left)
        if not spool:
            raise AuditError("%d events wait for the daemon and no more fit into memory: %s" % (count, self.why))
        self._spill()
        spool.append(line)

    def flush(self, timeout: float = 5.0) -> bool:
        """Waits at most so many seconds until the daemon has acknowledged everything; whether it has. An application that is
        idle may call flush(0) now and then, so that it connects again."""
        until = time.monotonic() + timeout
        with self._lock:
            while True:
                self._turn()
                left = until - time.monotonic()
                if not (self._waiting or self._sent or self._spool and self._spool.read < self._spool.end):
                    return True
                if left <= 0:
                    return False
                self._poll(min(left, 0.2))

    def close(self, timeout: float = 5.0) -> None:
        """Flushes, and leaves what is not acknowledged in the spool. AuditError: events are nowhere but here, and lost."""
        with self._lock:
            atexit.unregister(self._at_exit)
            self.flush(timeout)
            self._closed = True
            try:
                self._spill()
            finally:
                lost = sum(1 for entry in [*self._sent, *self._waiting] if entry.end is None and not entry.refused)
                self._drop_socket()
                self._waiting.clear()
                self._sent.clear()
                self._bytes = self._unkept = 0
                self._retry_at = float("inf")
                if self._spool:
                    self._spool.mark()
                    os.close(self._spool.fd)
                    self._spool = None
            if lost:
                what = "1 event is" if lost == 1 else "%d events are" % lost
                raise AuditError("%s not acknowledged, and lost: %s" % (what, self.why))

    def _at_exit(self) -> None:
        try:
            self.close(1.0)
        except OSError as error:
            print("auditlogd:", error, file=sys.stderr)

    def _take(self, entry: _Entry) -> None:
        self._waiting.append(entry)
        self._bytes += len(entry.line)
        self._unkept += len(entry.line) if entry.end is None else 0

    def _spill(self) -> None:
        """Puts what is in memory only into the spool, durably."""
        if self._spool and self._unkept:
            entries = [entry for entry in [*self._sent, *self._waiting] if entry.end is None and not entry.refused]
            end = self._spool.append(b"".join(entry.line for entry in entries))
            self._spool.read = self._spool.end
            for entry in entries:
                end += len(entry.line)
                entry.end = end
            self._unkept = 0

    def _turn(self) -> None:
        """Connects if it is time for that, sends what can be sent and reads what was answered; never waits."""
        try:
            if not self._sock and time.monotonic() >= self._retry_at:
                self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
                self._sock.connect(self.path)
                self._out, self._in, self._answered = _HELLO, b"", 0
            if self._sock:
                self._write()
                self._read()
                self._write()
        except BlockingIOError as error:  # More clients connect than the daemon has accepted.
            self._lost("the daemon is busy: %s" % error)
        except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
            self._lost("no daemon answers at '%s' as it should: %s" % (self.path, error))
        while self._refused:
            reason, line = self._refused.popleft()
            if self.on_reject:
                self.on_reject(reason, line)

    def _write(self) -> None:
        while self._spool and self._spool.read < self._spool.end and self._bytes < self._most[1] // 2:
            for line, end in self._spool.next():
                self._take(_Entry(line, end))
        while self._sock and (self._out or self._waiting):
            while self._waiting and len(self._out) < 65536:
                self._sent.append(self._waiting.popleft())
                self._out += self._sent[-1].line
            try:
                self._out = self._out[self._sock.send(self._out):]
            except BlockingIOError:
                return
            except BrokenPipeError:
                return  # What it answered before it closed is still to be read.

    def _read(self) -> None:
        while self._sock:
            try:
                data = self._sock.recv(65536)
            except BlockingIOError:
                return
            *lines, self._in = (self._in + data).split(b"\n")
            for line in lines:
                self._reply(json.loads(line))
            if not data or len(self._in) > 65536:
                raise ConnectionError("it closed the connection")

    def _reply(self, reply: Dict[str, Any]) -> None:
        if "ack" in reply:
            while self._answered < reply["ack"]["line"]:
                self._pop()
        elif "reject" in reply:
            entry = self._sent[max(reply["reject"]["line"] - self._answered, 1) - 1]
            self._unkept -= len(entry.line) if entry.end is None else 0
            entry.refused = True
            self.rejected += 1
            self._refused.append((reply["reject"], entry.line))
        elif "error" in reply:
            raise ConnectionError(reply["error"])
        else:
            reply["auditlog"]  # The greeting, or nothing that the daemon says.
        while self._sent and self._sent[0].refused:
            self._pop()
        self._backoff = 0.05

    def _pop(self) -> None:
        entry = self._sent.popleft()
        self._answered += 1
        self._bytes -= len(entry.line)
        if not entry.refused:
            self.accepted += 1
            self._unkept -= len(entry.line) if entry.end is None else 0
        if self._spool and entry.end is not None:
            self._spool.done(entry.end)

    def _lost(self, why: str) -> None:
        """What was not answered goes to the next connection, and into the spool meanwhile."""
        self.why = why
        self._drop_socket()
        self._bytes -= sum(len(entry.line) for entry in self._sent if entry.refused)
        self._waiting.extendleft(entry for entry in reversed(self._sent) if not entry.refused)
        self._sent.clear()
        self._retry_at = time.monotonic() + self._backoff * random.uniform(0.5, 1)
        self._backoff = min(2 * self._backoff, 5)
        try:
            self._spill()
            if self._spool:
                self._spool.mark()
        except OSError as error:  # They stay in memory; the next send tries again, and says so.
            self.why += "; %s" % error

    def _drop_socket(self) -> None:
        if self._sock:
            self._sock.close()
        self._sock = None

    def _poll(self, longest: float) -> None:
        if self._sock:
            poll = select.poll()
            poll.register(self._sock, select.POLLIN | (select.POLLOUT if self._out or self._waiting else 0))
            poll.poll(longest * 1000)
        else:
            time.sleep(max(min(longest, self._retry_at - time.monotonic()), 0.001))


_KNOWN = set(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class AuditHandler(logging.Handler):
    """Makes an event of each log record: the level becomes the priority, the logger's name the source, the message the action, and `extra`
    members of the event: log.warning("refused", extra={"event_type": "auth.login", "actor": "alice"}).
    It takes what Client takes. What cannot be sent goes where logging's own errors go, and is counted in `client.failed`."""

    def __init__(self, *args: Any, level: int = logging.NOTSET, event_type: str = "log", **options: Any) -> None:
        # First: logging flushes each handler that it knows when the interpreter ends, also one that could not be made.
        self.event_type, self.client = event_type, Client(*args, **options)
        super().__init__(level)

    def emit(self, record: logging.LogRecord) -> None:
        try:
            levels = ((50, "crit"), (40, "err"), (30, "warning"), (20, "info"))
            priority = next((name for level, name in levels if record.levelno >= level), "debug")
            when = datetime.datetime.fromtimestamp(record.created, datetime.timezone.utc).isoformat()
            event = {"event_type": self.event_type, "priority": priority, "source": record.name, "action": record.getMessage(),
                     "timestamp": when, "file": record.pathname, "line": record.lineno, "thread": record.threadName}
            if record.exc_info:
                event["exception"] = (self.formatter or logging.Formatter()).formatException(record.exc_info)
            event.update((key, value) for key, value in vars(record).items() if key not in _KNOWN)
            self.client.send(event)
        except Exception:
            self.handleError(record)

    def flush(self) -> None:
        self.client.flush(0)

    def close(self) -> None:
        self.client._at_exit()
        super().close()
