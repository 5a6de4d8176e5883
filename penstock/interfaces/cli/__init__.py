"""Options, exit codes and the command group of `penstock`."""
