-- What was decided about the versions of the model, by whom and why? The newest decision first.
SELECT
  batch_id AS decision,
  decided_at,
  kind,
  outcome,
  champion,
  candidate,
  champion_after,
  candidate_after,
  decided_by,
  reason
FROM decisions
ORDER BY decision DESC
