-- How often was the actual value within the interval, by version, variable and step, and how long after the answer did it
-- come? Coverage is to be compared with the level of the intervals (forecasts.level). Rows have no intervals.
SELECT
  model_version,
  variable,
  step,
  loss_name,
  CAST(sum(scored_pairs) AS BIGINT) AS scored_pairs,
  sum(within_interval) / nullif(sum(scored_pairs), 0) AS interval_coverage,
  sum(delay_seconds) / nullif(sum(pairs), 0) AS mean_delay_seconds,
  min(unit) AS first_unit,
  max(unit) AS last_unit
FROM model_performance
GROUP BY ALL
ORDER BY model_version, variable, step, loss_name
