"""Edge runtime: events start constrained micro-apps whose outcomes survive outages."""
