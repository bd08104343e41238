"""The public test kit: a whole gateway on one thread, with time, brokers, buses, pins and files that obey the test."""
