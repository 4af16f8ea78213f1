# What is done with law and ledger: a run becomes a row; plan, promote, replay, stop.
judge_SRC := add advice confirmation evidence outrun plan plateau preview promote replay rests runrecord take
