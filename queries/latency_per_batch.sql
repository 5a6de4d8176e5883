-- How long did each micro-batch take, and where did the time go? Seconds.
SELECT
  batch_id,
  started_at,
  files,
  rows_in,
  seconds,
  phase_seconds['plan'] AS plan_seconds,
  phase_seconds['quarantine'] AS quarantine_seconds,
  phase_seconds['predictions'] AS predictions_seconds,
  phase_seconds['forecasts'] AS forecasts_seconds,
  phase_seconds['observations'] AS observations_seconds,
  phase_seconds['lags'] AS lags_seconds,
  phase_seconds['account'] AS account_seconds
FROM batch_health
ORDER BY started_at
