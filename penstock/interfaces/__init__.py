"""User and program interfaces: CLI, REST, dashboard, SQL, scaffolding, local servers, demo."""
