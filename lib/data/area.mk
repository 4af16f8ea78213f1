# Text, tokens and shards.
data_SRC := fault shard vocab child dataset tokens loader tally ids
