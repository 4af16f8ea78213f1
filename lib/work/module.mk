# The work of the stages: where run directory, data and model meet.
work_SRC := dependencies evaluation external launch metrics provenance runsize scoring speccheck training
