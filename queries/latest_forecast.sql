-- What is the newest forecast of each series, in order?
SELECT *
FROM latest_forecast
ORDER BY series_id, variable, step
