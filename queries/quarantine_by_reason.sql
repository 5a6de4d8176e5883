-- Why are rows and files in quarantine, the most frequent reason first?
SELECT *
FROM quarantine_by_reason
ORDER BY rows_quarantined DESC, reason
