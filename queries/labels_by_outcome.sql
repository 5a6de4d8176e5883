-- How many labels count, and how many do not: later ones of a key, and those that contradict each other in one file?
SELECT
  coalesce(error, 'counts') AS outcome,
  count(*) AS labels,
  min(labelled_at) AS first_at,
  max(labelled_at) AS last_at
FROM labels
GROUP BY ALL
ORDER BY labels DESC, outcome
