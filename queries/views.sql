-- Views for BI. penstock/interfaces/sql/views.py creates those whose tables exist; {variables} are the pipeline's,
-- {not_in_use} the errors of observations that are not in use (penstock/series/reasons.py), {capacity} and {in_sample}
-- whose forecast one is, and whether its model knew what came after the cutoff (penstock/series/roles.py).

-- What is the newest forecast of each series?
CREATE OR REPLACE VIEW latest_forecast AS
SELECT series_id, variable, cutoff, step, ds, forecast, lower, upper, level, model_name, model_version, role
FROM forecasts
QUALIFY rank() OVER (PARTITION BY series_id ORDER BY cutoff DESC, scored_at DESC) = 1;

-- What is the error of each forecast, and was the actual value within the interval?
CREATE OR REPLACE VIEW forecast_vs_actual AS
WITH observed AS (
  SELECT series_id, ds, {variables}
  FROM observations
  WHERE coalesce(error, '') NOT IN ({not_in_use})
  QUALIFY row_number() OVER (PARTITION BY series_id, ds ORDER BY observed_at DESC, batch_id DESC) = 1
),
first_observed AS (
  SELECT series_id, ds, {variables}
  FROM observations
  WHERE coalesce(error, '') NOT IN ({not_in_use})
  QUALIFY row_number() OVER (PARTITION BY series_id, ds ORDER BY observed_at, batch_id) = 1
),
truth AS (SELECT series_id, ds, variable, actual FROM observed UNPIVOT (actual FOR variable IN ({variables}))),
first_truth AS (
  SELECT series_id, ds, variable, first_actual
  FROM first_observed UNPIVOT (first_actual FOR variable IN ({variables}))
),
fits AS (SELECT query_id, batch_id, fitted_until FROM batches),
made AS (
  SELECT
    *,
    dense_rank() OVER (PARTITION BY series_id, cutoff, capacity ORDER BY scored_at) AS vintage,
    scored_at = max(scored_at) OVER (PARTITION BY series_id, cutoff, capacity) AS is_newest
  FROM (
    -- A fallback is the champion's too: a cutoff whose hole is filled later has a forecast of the VAR after it. So is
    -- what a rescore has put in place of the champion's, or a canary has answered in its place.
    SELECT *, {capacity} AS capacity FROM forecasts
  )
)
SELECT
  series_id,
  variable,
  cutoff,
  step,
  ds,
  forecast,
  lower,
  upper,
  level,
  actual,
  forecast - actual AS error,
  actual BETWEEN lower AND upper AS is_within,
  model_name,
  model_version,
  vintage,
  is_newest,
  first_actual,
  scored_at,
  role,
  -- The model was fitted on what came after the cutoff, so that its error says little of the next forecast's. Of a
  -- rescored one, and of a candidate's, it is not known: `batches` has the champion's.
  {in_sample} AS in_sample
FROM made
LEFT JOIN fits USING (query_id, batch_id)
JOIN truth USING (series_id, ds, variable)
LEFT JOIN first_truth USING (series_id, ds, variable);

-- Which rows have a prediction, and what is it?
CREATE OR REPLACE VIEW predictions_ok AS
SELECT *
FROM predictions
WHERE error IS NULL AND prediction IS NOT NULL;

-- Why are rows and files in quarantine? Values are masked, so that equal causes count together; each reason counts.
CREATE OR REPLACE VIEW quarantine_by_reason AS
SELECT
  stage,
  regexp_replace(reason, "'.*'", "'...'") AS reason,
  count(*) AS rows_quarantined,
  count(DISTINCT source_file) AS files,
  max(quarantined_at) AS last_seen
FROM quarantine LATERAL VIEW explode(reasons) AS reason
WHERE replayed_in IS NULL
GROUP BY ALL;

-- What are the row counts and the duration of each micro-batch? Seconds; shares of rows_in and of accepted.
CREATE OR REPLACE VIEW batch_health AS
SELECT
  query_id,
  batch_id,
  started_at,
  finished_at,
  round(unix_micros(finished_at) / 1e6 - unix_micros(started_at) / 1e6, 3) AS seconds,
  size(files) AS files,
  files_refused,
  rows_in,
  accepted,
  quarantined,
  failed,
  quarantined / nullif(rows_in, 0) AS share_quarantined,
  failed / nullif(accepted, 0) AS share_failed,
  versions['champion'] AS model_version,
  size(map_keys(refused_versions)) AS versions_refused,
  seconds AS phase_seconds
FROM batches;

-- How right was each version in each unit of time, by which loss? Sums, to be added up before they are divided; of data as first known.
CREATE OR REPLACE VIEW model_performance AS
SELECT
  unit,
  champion AS model_version,
  variable,
  step,
  -- Sums of losses of different names are not to be added.
  loss AS loss_name,
  CAST(sum(pairs) AS BIGINT) AS pairs,
  CAST(sum(champion_failed) AS BIGINT) AS failed,
  CAST(sum(scored_pairs) AS BIGINT) AS scored_pairs,
  sum(champion_loss) AS loss,
  sum(champion_abs) AS absolute_error,
  sum(naive_abs) AS naive_absolute_error,
  -- Rows have no intervals.
  CAST(sum(CASE WHEN step IS NOT NULL THEN champion_within END) AS BIGINT) AS within_interval,
  sum(delay_seconds) AS delay_seconds,
  max(evaluated_at) AS evaluated_at
FROM evaluations
WHERE NOT coalesce(is_final, false)
GROUP BY ALL;

-- What were the losses of both versions of an experiment, in each unit of time? Sums over the same pairs, to be added up before they are divided.
CREATE OR REPLACE VIEW experiment_pairs AS
SELECT
  unit,
  champion,
  candidate,
  variable,
  step,
  -- Sums of losses of different names are not to be added.
  loss AS loss_name,
  CAST(sum(pairs) AS BIGINT) AS pairs,
  CAST(sum(compared_pairs) AS BIGINT) AS compared_pairs,
  sum(compared_champion_loss) AS champion_loss,
  sum(candidate_loss) AS candidate_loss,
  CAST(sum(champion_failed) AS BIGINT) AS champion_failed,
  CAST(sum(candidate_failed) AS BIGINT) AS candidate_failed,
  max(evaluated_at) AS evaluated_at
FROM evaluations
WHERE NOT coalesce(is_final, false) AND candidate IS NOT NULL
GROUP BY ALL;
