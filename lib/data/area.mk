# Text, tokens and shards.
data_SRC := fault shard vocab child dataset tokens loader tally documents corpus ids part staging prepare adopt
