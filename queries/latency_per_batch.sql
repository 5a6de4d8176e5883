-- How long did each micro-batch take, and where did the time go? Seconds.
SELECT
  batch_id,
  started_at,
  size(files) AS files,
  rows_in,
  round(unix_micros(finished_at) / 1e6 - unix_micros(started_at) / 1e6, 3) AS seconds,
  seconds['plan'] AS plan_seconds,
  seconds['quarantine'] AS quarantine_seconds,
  seconds['predictions'] AS predictions_seconds,
  seconds['account'] AS account_seconds
FROM batches
ORDER BY started_at
