"""One file per executable job; each is thin and has `main(argv)`."""
