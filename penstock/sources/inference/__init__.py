"""What a sample file tells of its columns: dialect, types, names."""
