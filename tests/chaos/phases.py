"""When a weir's breaker was in which state, from the times in its log, and which of its clients' calls that is certain of."""
import bisect
import datetime
import re

_CHANGE = re.compile(r"^(\S+)Z \w+ breaker (opened|half-open|closed) ")
_STATES = {"opened": "open", "half-open": "half-open", "closed": "closed"}
# The log tells a change a moment after it was made: its clock's milliseconds, and a thread that had to wait for its turn.
_TICK, _LATE = 0.001, 0.25


def time_of(text):
    return datetime.datetime.fromisoformat(text).replace(tzinfo=datetime.timezone.utc).timestamp()


class Phases:
    def __init__(self):
        self._times, self._states = [0.0], ["down"]
        self._departures = []  # from closed: other values may be shown from then on
        self._arrivals = []    # at closed
        self._trouble = []     # of the store

    def note(self, when, state):
        if self._states[-1] == "closed" and state != "closed":
            self._departures.append(when)
        elif self._states[-1] != "closed" and state == "closed":
            self._arrivals.append(when)
        self._times.append(when)
        self._states.append(state)

    def read(self, lines):
        """Of a log."""
        for line in lines:
            if match := _CHANGE.match(line):
                self.note(time_of(match[1]), _STATES[match[2]])

    def at(self, when):
        return self._states[bisect.bisect_right(self._times, when - _TICK) - 1]

    def during(self, sent, got):
        """The state in which a call was sent and answered; None, if it changed."""
        first = bisect.bisect_right(self._times, sent - _TICK)
        return self._states[first - 1] if bisect.bisect_right(self._times, got) == first else None

    def note_trouble(self, since, until):
        """The store had some, and another one may have answered in its place."""
        self._trouble.append((since, until))

    def in_trouble(self, sent, got):
        return any(since <= got and sent <= until for since, until in self._trouble)

    def surely_closed(self, sent, got):
        return self.at(sent) == "closed" and not self._left_closed(sent, got)

    def kept_all(self, since, until):
        """Whether what was there at first surely is what was there at last, and more: whoever closes has been given all."""
        return not self._left_closed(since, until) and not self.in_trouble(since, until)

    def stayed(self, since, until):
        """Whether the same gave all answers between these."""
        return self.kept_all(since, until) and not _any_between(self._arrivals, since - _LATE, until + _LATE)

    def _left_closed(self, since, until):
        return _any_between(self._departures, since - _LATE, until + _LATE)

    def forget(self, until):
        """What was before; the state in which it ended stays."""
        first = bisect.bisect_right(self._times, until) - 1
        del self._times[:first], self._states[:first]
        for times in (self._departures, self._arrivals):
            del times[:bisect.bisect_left(times, until - _LATE)]
        self._trouble = [one for one in self._trouble if one[1] >= until]


def _any_between(times, since, until):
    first = bisect.bisect_left(times, since)
    return first < len(times) and times[first] <= until
