"""What is known of streams and runs, for those who look at them: commands and pages.

Nothing here lists or reads what grows with a stream's age; of many streams or runs only some are read.
"""
