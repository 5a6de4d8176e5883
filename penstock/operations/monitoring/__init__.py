"""How a running pipeline is doing: status, metrics, backlog."""
