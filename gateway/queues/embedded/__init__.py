"""The embedded queue: one SQLite file, many processes on one machine, no server."""
