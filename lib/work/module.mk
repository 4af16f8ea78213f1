# The work of the stages: where run directory, data and model meet.
work_SRC := dependencies metrics provenance scoring training
