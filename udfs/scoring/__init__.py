"""What scores a batch of rows in a Python worker: the guard around a registered model."""
