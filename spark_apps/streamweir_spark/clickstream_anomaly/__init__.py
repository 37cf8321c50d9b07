"""`clickstream_anomaly`: how its messages are read, its events counted, its windows judged.

`reader.READER` reads messages, `domain.Domain` counts their events into windows, `figures.Figures` sets each
window against the three before it.
"""
