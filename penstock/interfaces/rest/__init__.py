"""The REST service: pipelines' models over HTTP, with the same contract and predictions as stream and backfill."""
