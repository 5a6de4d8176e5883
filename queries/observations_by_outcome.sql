-- How many observations led to a forecast, and why did the others not?
SELECT
  coalesce(error, 'forecast made') AS outcome,
  count(*) AS observations,
  count(DISTINCT series_id) AS series,
  min(ds) AS first_ds,
  max(ds) AS last_ds
FROM observations
GROUP BY ALL
ORDER BY observations DESC, outcome
