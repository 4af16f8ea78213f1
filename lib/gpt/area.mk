# The model family: geometry, tensors, operations, training, artifact.
gpt_SRC := config model ops ops_ref optimizer params schedule
