"""The `sandbox` engine: a task's source runs in pydantic-monty, in other processes, with hard limits."""
