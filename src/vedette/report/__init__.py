"""Pages that stand alone, and the charts in them; no torch."""
