# What is done with law and ledger: a run becomes a row; plan, promote, replay, stop.
judge_SRC := add advice plan plateau preview promote replay runrecord
