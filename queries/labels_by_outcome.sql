-- How many labels count, and why do the others not? `revision`: a later label of a key; `conflict`: labels of one key and
-- file that contradict each other.
SELECT
  coalesce(error, 'counts') AS outcome,
  count(*) AS labels,
  count(DISTINCT source_file) AS files,
  min(labelled_at) AS first_labelled_at,
  max(labelled_at) AS last_labelled_at
FROM labels
GROUP BY ALL
ORDER BY labels DESC, outcome
