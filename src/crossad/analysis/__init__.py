"""Tables and pages of records: reads what `results` describes, computes with `metrics`, writes one report."""
