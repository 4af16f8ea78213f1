# The supervisor of stages: owner, worker, lane, deadline; verified inputs.
stage_SRC := inputs lane stage stagecmd
