# Knows nothing of us: messages, numbers, JSON, files, clocks, processes.
base_SRC := array atomfile bind bpb clock exit file foreign format hash inherited jsonio jsonnull jsonscan num opt out pattern proc process progress rng
base_SRC += say search sha256 shell spread str term tree utf8
