"""Saved stages of Spark ML evaluated with numpy: no Spark job, no JVM.

What is not known to be computed as Spark computes it is not evaluated here, never nearly. Whether a stream
may use it is decided by a proof against Spark's own transform, see `streamweir_spark.proving`.
"""
