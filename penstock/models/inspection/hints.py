"""What would help a series that the fit refuses."""

#: By the kind of reason, the text before its colon, or how the text begins.
HINTS = {
    "too short": "wait for more observations, fill the holes, or fit fewer variables (series.variables) or lags "
    "(fit.max_lags, where fit.criterion is null)",
    "constant": "leave this variable out of series.variables, or look whether its values are delivered correctly",
    "collinear: season of": "set a smaller fit.fourier, or no season that is longer than the series",
    "collinear: season": "set fit.fourier, or a season whose phases are all observed",
    "collinear: exogenous variable": "leave it out of series.exogenous.columns, or look whether its values are right: "
    "it has to vary within the series, and not as the trend, the season, or others do",
    "collinear": "leave out a variable that is a sum or a multiple of others, or a copy of one",
    "unstable": "difference the variables that grow (series.transform: diff, or dlog)",
    "log of a level that is not positive": "use the transform none or diff for this variable, or reject such values by "
    "a rule of the contract",
    "not finite": "look for values that are infinite or too large, and reject them by a rule of the contract",
    "conflict": "deliver one observation for each time, or the valid one in a newer file",
    "no observation is on the calendar": "series.frequency has to be the one of the data; `penstock init` finds it",
    "no observation has a value": "leave out a variable that is never there together with the others",
}


def hint_of(reason: str) -> str:
    """What to do about a reason for a refusal; empty for one of another kind."""
    return next((hint for kind, hint in HINTS.items() if reason.startswith(kind)), "")
