"""Reports on what is stored: sessions, their results, their logs. They only read.

Everything is read in pages, each by a short transaction of its own that an index leads
to. So a hundred thousand rows are never in memory at once, and a slow reader holds no
connection while it reads. What is read that way is not of one instant: results of a
session that has ended, and batches of a log, do not change any more.

While writing behind is buffering, the database is to be left alone; reports are then
``StoreUnavailable``, as when it is away.
"""

from quizd.reports.reports import Reports

__all__ = ["Reports"]
