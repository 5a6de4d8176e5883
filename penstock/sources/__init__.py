"""From the inbox to checked rows."""
