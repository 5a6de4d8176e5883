-- What were the mean loss and error of each version on each day, by variable and step (and by loss, if it was changed)? The day is that of what the answer
-- was for (series), or when its label came (rows). ratio_to_naive is the error over that of repeating the last
-- observation: a version above 1 is worse than no model. Days of a few pairs vary by chance.
SELECT
  date_trunc('DAY', unit) AS day,
  model_version,
  variable,
  step,
  loss_name,
  CAST(sum(pairs) AS BIGINT) AS pairs,
  CAST(sum(failed) AS BIGINT) AS failed,
  sum(loss) / nullif(sum(scored_pairs), 0) AS mean_loss,
  sum(absolute_error) / nullif(sum(pairs) - sum(failed), 0) AS mean_absolute_error,
  sum(absolute_error) / nullif(sum(naive_absolute_error), 0) AS ratio_to_naive
FROM model_performance
GROUP BY ALL
ORDER BY day, model_version, variable, step, loss_name
