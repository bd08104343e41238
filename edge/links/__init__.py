"""The outside, one file a vendor: MQTT brokers, the calendar, the broker of our own."""
