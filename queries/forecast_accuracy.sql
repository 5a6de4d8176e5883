-- How accurate were the first forecasts from each cutoff, by variable and step, against the values as they are now, and
-- how often was the actual value in the interval? In place of `vintage = 1`, `is_newest` asks for those made again after
-- the last revision; in place of `actual`, `first_actual` is the value as first published. Roles that begin with
-- `fallback` are of forecasts that are not of a VAR of the series. in_sample is of cutoffs before the end of the data
-- that the model was fitted on: do not judge a model by them. It is null where the model does not say when that was, and
-- of the role `rescored`, whose forecasts were made of the data as known later.
SELECT
  variable,
  step,
  role,
  model_version,
  in_sample,
  count(*) AS forecasts_compared,
  avg(abs(error)) AS mean_absolute_error,
  avg(abs(error) / abs(actual)) AS mean_relative_error,
  avg(CAST(is_within AS INT)) AS interval_coverage
FROM forecast_vs_actual
WHERE vintage = 1
GROUP BY ALL
ORDER BY variable, step, role, model_version, in_sample
