"""What may start now, and what becomes of it when it may not: rates, modes, quotas, breakers, retries, refusals."""
