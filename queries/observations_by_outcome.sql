-- How many observations have a forecast, and why do the others have none? `fallback: ` and the reason: one that is not
-- of a VAR. Details of a refusal and of what is missing are left out.
SELECT
  CASE
    WHEN error LIKE 'fallback: refused_by_fit:%' THEN concat('fallback: refused_by_fit: ', split_part(error, ': ', 3))
    WHEN error LIKE 'refused_by_fit:%' THEN concat('refused_by_fit: ', split_part(error, ': ', 2))
    WHEN error LIKE 'fallback: missing_exogenous:%' THEN 'fallback: missing_exogenous'
    WHEN error LIKE 'missing_exogenous:%' THEN 'missing_exogenous'
    ELSE coalesce(error, 'forecast made')
  END AS outcome,
  count(*) AS observations,
  count(DISTINCT series_id) AS series,
  min(ds) AS first_ds,
  max(ds) AS last_ds
FROM observations
GROUP BY ALL
ORDER BY observations DESC, outcome
