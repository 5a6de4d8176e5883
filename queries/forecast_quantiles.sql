-- What are the quantiles of the newest forecast of each series? An interval of level l has the quantiles (1 - l) / 2 and
-- (1 + l) / 2 as its bounds; the quantile 0.5 is the forecast where that is a median, which lies in the middle of its
-- interval, of a variable in logs the middle of the logs. Where it is a mean, there is no row for 0.5. A fallback without
-- a known width has no quantiles.
WITH newest AS (
  SELECT *
  FROM forecasts
  QUALIFY rank() OVER (PARTITION BY series_id ORDER BY cutoff DESC, scored_at DESC) = 1
),
bounds AS (
  SELECT series_id, cutoff, ds, step, variable, level, lower, upper
  FROM newest
  WHERE intervals IS NULL
  UNION ALL
  SELECT series_id, cutoff, ds, step, variable, one.level, one.lower, one.upper
  FROM newest LATERAL VIEW explode(intervals) AS one
)
SELECT series_id, cutoff, ds, step, variable, round((1 - level) / 2, 12) AS quantile, lower AS value
FROM bounds
WHERE lower IS NOT NULL
UNION ALL
SELECT series_id, cutoff, ds, step, variable, round((1 + level) / 2, 12) AS quantile, upper AS value
FROM bounds
WHERE upper IS NOT NULL
UNION ALL
SELECT series_id, cutoff, ds, step, variable, CAST(0.5 AS DOUBLE) AS quantile, forecast AS value
FROM newest
WHERE abs(2 * forecast - lower - upper) <= 1e-12 * (abs(lower) + abs(upper))
  OR (lower > 0 AND abs(forecast * forecast - lower * upper) <= 1e-12 * forecast * forecast)
ORDER BY series_id, variable, step, quantile
