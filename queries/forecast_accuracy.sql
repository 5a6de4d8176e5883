-- How far off were the forecasts, by variable and step, and how often did the truth lie in the interval?
-- The variables are those of conf/macro.yaml: put yours into the stack.
WITH truth AS (
  SELECT series_id, ds, stack(3, 'realgdp', realgdp, 'realcons', realcons, 'realinv', realinv) AS (variable, value)
  FROM observations
  WHERE coalesce(error, '') NOT IN ('late', 'revision', 'superseded')
)
SELECT
  forecasts.variable,
  forecasts.step,
  forecasts.model_version,
  count(*) AS forecasts_compared,
  avg(abs(forecasts.forecast - truth.value)) AS mean_absolute_error,
  avg(abs(forecasts.forecast - truth.value) / abs(truth.value)) AS mean_relative_error,
  avg(CAST(truth.value BETWEEN forecasts.lower AND forecasts.upper AS INT)) AS interval_coverage
FROM forecasts
JOIN truth USING (series_id, ds, variable)
WHERE truth.value IS NOT NULL
GROUP BY ALL
ORDER BY variable, step, model_version
