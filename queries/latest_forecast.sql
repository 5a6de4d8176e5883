-- What is the newest forecast of each series?
SELECT series_id, variable, cutoff, step, ds, forecast, lower, upper, level, model_version
FROM forecasts
QUALIFY rank() OVER (PARTITION BY series_id ORDER BY cutoff DESC, scored_at DESC) = 1
ORDER BY series_id, variable, step
