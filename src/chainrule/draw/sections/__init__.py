"""The sections of a report, a file each: facts in, `Part` out, or `Absent` with the reason."""
