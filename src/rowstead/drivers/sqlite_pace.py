"""Which writes are quick enough to run on the event loop's own thread.

How long a commit takes is the disk's affair: some 10 microseconds in memory, 10 milliseconds on a disk
that turns. So a statement earns its place on the loop by having been quick in the thread, and slow
ones cost all of them theirs for twenty times as long as they held the loop: but for a millisecond, at
most a twentieth of the loop's time is lost to slow commits, whatever the disk does. Knows no SQLite.
"""

from __future__ import annotations

from importlib.util import find_spec
from time import monotonic, perf_counter

if find_spec("resource") is not None:  # Windows has none
    import resource

    # macOS does not count by thread.
    _this_thread: int | None = getattr(resource, "RUSAGE_THREAD", None)
else:
    _this_thread = None

QUICK = 0.0001
"""Seconds that a quick write takes at most: about what waking the thread and the loop costs."""
PENALTY = 20
"""How many times as long as a slow write took on the loop the next ones stay away from it."""
FORGIVEN = 0.001
"""Seconds of slow writes that together have no consequence yet, until they are paid for as above: the first
write behind another process's is slow, and those after it are quick again."""
FOLD_EVERY = 200
"""Quick writes after which one goes to the thread, which copies the log to the file on the way.

SQLite does that by itself in the commit that finds 1,000 pages in the log, and that commit is slow.
"""
LOOK_EVERY = 0.001
"""Seconds for which a look at how often the thread was pushed aside stays good."""
KNOWN_TEXTS = 1024


class Pace:
    """Decides where a write runs, by how long those before it took."""

    __slots__ = ("_away_until", "_looked", "_paid_at", "_quick", "_since_fold", "_started", "_switches")

    def __init__(self) -> None:
        self._quick: set[str] = set()
        self._away_until = 0.0
        self._since_fold = 0
        self._started = 0.0
        self._looked = 0.0
        self._paid_at = 0.0
        """When all slow writes so far will be made up for."""
        self._switches: tuple[int, int] | None = None

    def allows(self, text: str) -> bool:
        """Whether this write, which commits, may run on the loop."""
        return self._since_fold < FOLD_EVERY and self.knows(text)

    def knows(self, text: str) -> bool:
        """Whether this write may run on the loop where it commits nothing."""
        return text in self._quick and monotonic() >= self._away_until

    def begin(self) -> None:
        """A write begins on the loop."""
        self._started = started = perf_counter()
        # Looking costs a fortieth of a write. An older look may make a slow write's excuse fail, no more.
        if started - self._looked > LOOK_EVERY:
            self._looked = started
            self._switches = _switches()

    def end(self, committed: bool = True) -> None:
        """It has ended, and may have done so with an error."""
        seconds = perf_counter() - self._started
        self._since_fold += committed
        if seconds <= QUICK:
            return
        self._looked = 0.0  # one look excuses one slow write
        if _was_pushed_aside(self._switches, _switches()):
            return
        now = monotonic()
        self._paid_at = max(self._paid_at, now) + PENALTY * seconds
        if self._paid_at - now > PENALTY * FORGIVEN:
            self._quick.clear()
            self._away_until = self._paid_at

    def forget(self, text: str) -> None:
        """This one was long, or had to wait: it must be quick in the thread again first."""
        self._quick.discard(text)

    def ran_in_thread(self, text: str, seconds: float) -> None:
        """A write ran in the thread. One that took long may only have waited for the GIL: no verdict."""
        if seconds <= QUICK:
            if len(self._quick) >= KNOWN_TEXTS:
                self._quick.clear()
            self._quick.add(text)

    def fold_is_due(self) -> bool:
        """Whether it is time to copy the log to the file; counts anew if so."""
        due = self._since_fold >= FOLD_EVERY
        if due:
            self._since_fold = 0
        return due


def _switches() -> tuple[int, int] | None:
    """How often this thread waited, and how often the processor was taken from it; None: nobody knows."""
    if _this_thread is None:
        return None
    usage = resource.getrusage(_this_thread)  # pyright: ignore[reportPossiblyUnboundVariable]
    return usage.ru_nvcsw, usage.ru_nivcsw


def _was_pushed_aside(before: tuple[int, int] | None, after: tuple[int, int] | None) -> bool:
    """Whether time was lost to other programs and not to the disk: that can befall the loop anywhere."""
    return before is not None and after is not None and before[0] == after[0] and before[1] < after[1]
