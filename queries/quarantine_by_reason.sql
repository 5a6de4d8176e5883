-- Why are rows and files in quarantine? One line a reason; values inside a reason are left out, so that equal
-- causes count together. A row with several reasons counts in each.
SELECT
  stage,
  regexp_replace(reason, "'.*'", "'...'") AS reason,
  count(*) AS rows_quarantined,
  count(DISTINCT source_file) AS files,
  max(quarantined_at) AS last_seen
FROM quarantine LATERAL VIEW explode(reasons) AS reason
WHERE replayed_in IS NULL
GROUP BY ALL
ORDER BY rows_quarantined DESC, reason
