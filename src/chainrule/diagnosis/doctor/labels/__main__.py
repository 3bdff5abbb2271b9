"""`python -m chainrule.diagnosis.doctor.labels docs/doctor.md` writes the catalogue into the page."""

from __future__ import annotations

import sys
from pathlib import Path

from chainrule.diagnosis.doctor.labels._catalogue import renewed

if __name__ == "__main__":
    page = Path(sys.argv[1])
    page.write_text(renewed(page.read_text(encoding="utf-8")), encoding="utf-8")
