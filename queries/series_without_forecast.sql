-- Which series have no forecast of a model of their own, and what does their newest observation say?
SELECT
  series_id,
  count(*) AS observations,
  min(ds) AS first_ds,
  max(ds) AS last_ds,
  max_by(error, ds) AS last_error
FROM observations
GROUP BY series_id
HAVING count(error) = count(*)
ORDER BY observations DESC, series_id
