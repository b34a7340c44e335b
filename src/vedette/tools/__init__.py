"""Outside programs, each behind one file: found, run, and their failures explained."""
