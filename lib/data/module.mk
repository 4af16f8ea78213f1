# Text, tokens and shards.
data_SRC := inputerror shard vocab child dataset tokens loader docsums documents corpus idtext shardset staging prepare adopt
