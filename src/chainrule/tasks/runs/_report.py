"""The page of a run."""

from __future__ import annotations

from typing import Any

from chainrule.core.folder import RunFolder
from chainrule.core.store import write_file


def write_report(folder: RunFolder, *others: RunFolder) -> Any:
    """Write `report.html` into the first folder and return its path."""
    from chainrule.draw.report import report_html  # jinja2 is loaded when a page is written

    page = report_html([folder.path, *(other.path for other in others)] if others else folder.path)
    write_file(folder.report, page.encode())
    return folder.report
