-- What share of the accepted rows did each model version fail on, and with which error?
SELECT
  model_name,
  model_version,
  count(*) AS rows_accepted,
  count(error) AS rows_failed,
  round(count(error) / count(*), 6) AS error_rate,
  mode(error) AS most_frequent_error
FROM predictions
GROUP BY ALL
ORDER BY error_rate DESC, model_name, model_version
