"""Judges forecasts by their actuals, and predictions by their labels."""
