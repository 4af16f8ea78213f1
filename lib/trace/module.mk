# Runs as they can be looked at from outside: what tells two apart, and where a file comes from. Nothing is changed.
trace_SRC := losses rows compare lineage find
