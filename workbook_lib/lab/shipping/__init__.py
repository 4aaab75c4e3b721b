"""Process logs to a store that finds them, and to a cold backup that brings them back."""

from workbook_lib.lab.shipping.backup import DamagedBackup, Segment, restore, verify

__all__ = ["DamagedBackup", "Segment", "restore", "verify"]
