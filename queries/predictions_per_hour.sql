-- How many rows did each model version score in each hour, and what is the mean prediction?
SELECT
  date_trunc('HOUR', scored_at) AS hour,
  model_name,
  model_version,
  count(*) AS rows_scored,
  count(error) AS rows_failed,
  avg(prediction) AS mean_prediction
FROM predictions
GROUP BY ALL
ORDER BY hour, model_name, model_version
