# The work of the stages: where run directory, data and model meet.
work_SRC := dependencies evaluation external launch losslaw metrics pacing planner provenance runsize scoring speccheck training
