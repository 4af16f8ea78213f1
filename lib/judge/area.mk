# Judgement: statistics, the law, the ledger and what is read from it.
judge_SRC := stats noise policy verdict book classify rules gather row index ledger tell \
	witness add preview plan plateau promote replay verify track listing desk
