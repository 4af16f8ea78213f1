# Knows nothing of us: messages, numbers, JSON, files, clocks, processes.
base_SRC := array atomfile bind bpb clock exit file hash jsonio num opt proc process progress rng say sha256 str term utf8
