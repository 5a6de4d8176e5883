"""One file per thing a person runs; each is thin and has `main(argv)`."""
