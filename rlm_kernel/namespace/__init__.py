"""Running the model's code: in the user's live shell or apart from it, and keeping every name the user had.

executor     NamespaceExecutor: one step after the other, for one run
shell, plain the two runners: how one piece of code runs and what it puts out
interrupt    Interrupter: Ctrl-C and time limits
layer        the run's versions of the user's names
inventory    which names are the user's
"""
