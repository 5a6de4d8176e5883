-- What are the intervals of the newest forecast of each series, one row for each level? Of forecasts that were made with
-- a single level, `lower` and `upper` are its interval.
WITH newest AS (
  SELECT *
  FROM forecasts
  QUALIFY rank() OVER (PARTITION BY series_id ORDER BY cutoff DESC, scored_at DESC) = 1
),
single AS (
  SELECT series_id, cutoff, ds, step, variable, level, lower, upper
  FROM newest
  WHERE intervals IS NULL
),
several AS (
  SELECT series_id, cutoff, ds, step, variable, one.level, one.lower, one.upper
  FROM newest LATERAL VIEW explode(intervals) AS one
)
SELECT *
FROM single
UNION ALL
SELECT *
FROM several
ORDER BY series_id, variable, step, level
