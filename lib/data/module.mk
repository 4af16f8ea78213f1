# Text, tokens and shards.
data_SRC := inputerror shard shard_writer vocab vocab_decode vocab_encode normalizer bpe child dataset locate tokens loader docsums documents corpus idtext shardset staging scratch split parts overlap textloss tokenizer encoded encode_spm encode_threads resume encode prepare sidecar adopt
