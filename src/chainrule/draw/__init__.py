"""Plain data drawn: charts, tables, pictures, pages and reports, without torch."""

from typing import TYPE_CHECKING

from chainrule.core.lazy import lazy

if TYPE_CHECKING:
    from chainrule.draw.chart import Chart, Line, Mark, chart_html
    from chainrule.draw.color import contrast, difference
    from chainrule.draw.confusion import confusion_html, confusion_text, top_confusions
    from chainrule.draw.curve import Curve, curves, smooth, thin
    from chainrule.draw.export import save_curves
    from chainrule.draw.facts import Facts, read_facts
    from chainrule.draw.page import Absent, Part, page_html
    from chainrule.draw.palette import PALETTES, Palette, css_variables, matplotlib_style
    from chainrule.draw.picture import (
        filter_pictures,
        picture_grid,
        png_bytes,
        png_uri,
        region_picture,
        template_pictures,
    )
    from chainrule.draw.report import report_html
    from chainrule.draw.sections.comparison import results_table
    from chainrule.draw.table import Column, Table, table_csv, table_html, table_text

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "Absent": "page",
        "Chart": "chart",
        "Column": "table",
        "Curve": "curve",
        "Facts": "facts",
        "Line": "chart",
        "Mark": "chart",
        "PALETTES": "palette",
        "Palette": "palette",
        "Part": "page",
        "Table": "table",
        "chart_html": "chart",
        "confusion_html": "confusion",
        "confusion_text": "confusion",
        "contrast": "color",
        "css_variables": "palette",
        "curves": "curve",
        "difference": "color",
        "filter_pictures": "picture",
        "matplotlib_style": "palette",
        "page_html": "page",
        "picture_grid": "picture",
        "png_bytes": "picture",
        "png_uri": "picture",
        "read_facts": "facts",
        "region_picture": "picture",
        "report_html": "report",
        "results_table": "sections.comparison",
        "save_curves": "export",
        "smooth": "curve",
        "table_csv": "table",
        "table_html": "table",
        "table_text": "table",
        "template_pictures": "picture",
        "thin": "curve",
        "top_confusions": "confusion",
    },
)
