"""A look into one series: its data, its model, and what statsmodels says about both."""
