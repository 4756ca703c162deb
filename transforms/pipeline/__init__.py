"""The read stage: one module a step, what they work on, and the runner that runs and counts them.

The order of the steps is the table in `transforms.steps`.
"""
