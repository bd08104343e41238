"""A task runs, constrained: loading, the context it sees, the engine, its gates, and the threads that lead."""
