"""VAR models of many series in numpy: fit, storage and forecasts."""
