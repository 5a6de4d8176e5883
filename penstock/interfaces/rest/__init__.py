"""The REST service: pipelines' models behind HTTP, with the contract and the numbers of stream and backfill."""
