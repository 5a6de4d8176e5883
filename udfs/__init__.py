"""Code that runs inside the executors' Python workers, and nothing else."""
