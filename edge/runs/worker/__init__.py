"""The `worker` engine: the owner's own code in warm processes of its own, which can be killed at any moment.

The host asks the fork server, one process without threads, which forks and reaps; it talks to the children themselves.
"""
