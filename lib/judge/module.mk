# What is done with law and ledger: a run becomes a row; plan, promote, replay, stop.
judge_SRC := add advice base confirmation evidence gain note outcome outrun plan plateau preview promote recheck replay \
	rescore rests runrecord take
