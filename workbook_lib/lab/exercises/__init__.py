"""Exercises: a task in a chapter, and what the live system says of the reader's answer.

One module a chapter holds its checks: `from workbook_lib.lab.exercises import chapter_4_1 as exercise`.
"""

from workbook_lib.lab.exercises.check import Exercise, Finding, exercise, no, yes
from workbook_lib.lab.exercises.verdict import MIME_TYPE, Verdict

__all__ = ["MIME_TYPE", "Exercise", "Finding", "Verdict", "exercise", "no", "yes"]
