"""VAR models of many series: fitted, kept and forecast in numpy."""
