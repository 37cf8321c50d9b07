"""`merchant_patterns`: how chunks are read, what is remembered of them, which patterns hold after each.

`reader.READER` sums a chunk up, `patterns` says which patterns hold, `domain.Domain` works on chunks in
order, `detections.Detections` numbers what is found and writes it.
"""
