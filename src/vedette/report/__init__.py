"""Pages that stand alone, and the charts in them; no torch."""

from vedette.report.page import write_report
from vedette.report.product_page import product_picture, product_report

__all__ = ["product_picture", "product_report", "write_report"]
