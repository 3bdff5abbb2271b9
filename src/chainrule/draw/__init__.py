"""Plain data drawn: charts, tables, pictures, pages and reports, without torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.core.lazy import lazy

if TYPE_CHECKING:
    from chainrule.draw.chart import Chart as Chart
    from chainrule.draw.chart import Line as Line
    from chainrule.draw.chart import Mark as Mark
    from chainrule.draw.chart import chart_html as chart_html
    from chainrule.draw.color import contrast as contrast
    from chainrule.draw.color import difference as difference
    from chainrule.draw.confusion import confusion_html as confusion_html
    from chainrule.draw.confusion import confusion_text as confusion_text
    from chainrule.draw.confusion import top_confusions as top_confusions
    from chainrule.draw.curve import Curve as Curve
    from chainrule.draw.curve import curves as curves
    from chainrule.draw.curve import smooth as smooth
    from chainrule.draw.curve import thin as thin
    from chainrule.draw.export import save_curves as save_curves
    from chainrule.draw.facts import Facts as Facts
    from chainrule.draw.facts import read_facts as read_facts
    from chainrule.draw.film import landscape_gif as landscape_gif
    from chainrule.draw.film import landscape_png as landscape_png
    from chainrule.draw.graph import GraphEdge as GraphEdge
    from chainrule.draw.graph import GraphNode as GraphNode
    from chainrule.draw.graph import graph_svg as graph_svg
    from chainrule.draw.landscape import Landscape as Landscape
    from chainrule.draw.landscape import Trail as Trail
    from chainrule.draw.landscape import landscape_html as landscape_html
    from chainrule.draw.landscape import landscape_svg as landscape_svg
    from chainrule.draw.page import Absent as Absent
    from chainrule.draw.page import Part as Part
    from chainrule.draw.page import page_html as page_html
    from chainrule.draw.palette import PALETTES as PALETTES
    from chainrule.draw.palette import Palette as Palette
    from chainrule.draw.palette import css_variables as css_variables
    from chainrule.draw.palette import matplotlib_style as matplotlib_style
    from chainrule.draw.picture import filter_pictures as filter_pictures
    from chainrule.draw.picture import picture_grid as picture_grid
    from chainrule.draw.picture import png_bytes as png_bytes
    from chainrule.draw.picture import png_uri as png_uri
    from chainrule.draw.picture import region_picture as region_picture
    from chainrule.draw.picture import template_pictures as template_pictures
    from chainrule.draw.predictions import predictions_html as predictions_html
    from chainrule.draw.report import report_html as report_html
    from chainrule.draw.sections.comparison import results_table as results_table
    from chainrule.draw.table import Column as Column
    from chainrule.draw.table import Table as Table
    from chainrule.draw.table import table_csv as table_csv
    from chainrule.draw.table import table_html as table_html
    from chainrule.draw.table import table_text as table_text

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "Absent": "page",
        "Chart": "chart",
        "Column": "table",
        "Curve": "curve",
        "Facts": "facts",
        "Landscape": "landscape",
        "GraphEdge": "graph",
        "GraphNode": "graph",
        "Line": "chart",
        "Mark": "chart",
        "PALETTES": "palette",
        "Palette": "palette",
        "Part": "page",
        "Table": "table",
        "Trail": "landscape",
        "chart_html": "chart",
        "confusion_html": "confusion",
        "confusion_text": "confusion",
        "contrast": "color",
        "css_variables": "palette",
        "curves": "curve",
        "difference": "color",
        "filter_pictures": "picture",
        "landscape_gif": "film",
        "landscape_html": "landscape",
        "landscape_png": "film",
        "landscape_svg": "landscape",
        "graph_svg": "graph",
        "matplotlib_style": "palette",
        "page_html": "page",
        "picture_grid": "picture",
        "png_bytes": "picture",
        "png_uri": "picture",
        "predictions_html": "predictions",
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
