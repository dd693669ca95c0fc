"""Rules that are read from the source: functions from a parsed module to its violations."""
