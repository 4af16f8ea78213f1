# Knows nothing of us: messages, numbers, JSON, files, clocks, processes.
base_SRC := array atomfile bind clock exit file jsonio num opt proc rng say sha256 str term
