"""Readers of files, one a format; the table is ``penchant.collect.READERS``."""
