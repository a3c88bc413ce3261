"""Collect: the event log, and the sources that fill it."""

from penchant.registry import Registry

LOGS = Registry(
    "event log",
    "penchant.collect.log",
    {
        "memory": "penchant.collect.log.memory:MemoryLog",
        "sql": "penchant.collect.log.sql:SqlLog",
        "parquet": "penchant.collect.log.parquet:ParquetLog",
    },
)

READERS = Registry(
    "file format",
    "penchant.collect.reader",
    {
        "csv": "penchant.collect.sources.delimited:CsvReader",
        "gorse": "penchant.collect.sources.gorse:GorseReader",
        "jsonl": "penchant.collect.sources.jsonl:JsonlReader",
        "parquet": "penchant.collect.sources.parquet:ParquetReader",
        "chrome_history": "penchant.collect.sources.history:ChromeHistoryReader",
        "firefox_history": "penchant.collect.sources.history:FirefoxHistoryReader",
        "survey": "penchant.collect.sources.survey:SurveyReader",
        "takeout_history": "penchant.collect.sources.takeout:TakeoutReader",
        "weblog": "penchant.collect.sources.weblog:WebLogReader",
    },
)
