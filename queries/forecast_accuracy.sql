-- How accurate were the forecasts, by variable and step, and how often was the actual value in the interval?
SELECT
  variable,
  step,
  model_version,
  count(*) AS forecasts_compared,
  avg(abs(error)) AS mean_absolute_error,
  avg(abs(error) / abs(actual)) AS mean_relative_error,
  avg(CAST(is_within AS INT)) AS interval_coverage
FROM forecast_vs_actual
GROUP BY ALL
ORDER BY variable, step, model_version
