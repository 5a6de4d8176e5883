"""Where an answer of the tables comes from: file, plan, model, the same answer made again, and what came true."""
