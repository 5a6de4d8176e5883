-- How many observations have a forecast, and why do the others have none?
SELECT
  coalesce(error, 'forecast made') AS outcome,
  count(*) AS observations,
  count(DISTINCT series_id) AS series,
  min(ds) AS first_ds,
  max(ds) AS last_ds
FROM observations
GROUP BY ALL
ORDER BY observations DESC, outcome
