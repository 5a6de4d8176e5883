-- What was the loss of a candidate over the champion's, for the same pairs, on each day, by variable and step? Below 1
-- the candidate was better. Days of a few pairs vary by chance: `penstock experiment` says what is known of all.
SELECT
  date_trunc('DAY', unit) AS day,
  champion,
  candidate,
  variable,
  step,
  loss_name,
  CAST(sum(compared_pairs) AS BIGINT) AS compared_pairs,
  sum(candidate_loss) / nullif(sum(champion_loss), 0) AS loss_ratio,
  CAST(sum(candidate_failed) AS BIGINT) AS candidate_failed
FROM experiment_pairs
GROUP BY ALL
ORDER BY day, champion, candidate, variable, step, loss_name
