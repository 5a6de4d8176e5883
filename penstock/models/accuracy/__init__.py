"""Losses of predictions and forecasts, and a test of whether two models differ in them."""
