"""What was quarantined or came late, put through the pipeline again."""
