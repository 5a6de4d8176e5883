"""Whose forecast a row of `forecasts` is by its `role`, in the SQL that Spark and DuckDB have in common."""

#: A fallback is the champion's too: a cutoff whose hole is filled later has a forecast of the VAR after it. So is what
#: a rescore has put in place of the champion's, or a canary has answered in its place.
CAPACITY = (
    "CASE WHEN role LIKE 'fallback%' OR role LIKE 'candidate%' OR role = 'rescored' THEN 'champion' ELSE role END"
)
#: The model was fitted on what came after the cutoff, so that its error says little of the next forecast's. Of a
#: rescored one, and of a candidate's, it is not known: `batches` has the champion's `fitted_until`.
IN_SAMPLE = "CASE WHEN role <> 'rescored' AND role NOT LIKE 'candidate%' THEN cutoff < fitted_until END"
