# Other people's results: texts -> claims -> rows of a ledger, and what can be said of them.
import_SRC := defect number textfile claim jsontext logtext fields selfcheck gamecheck logcheck submission csv grid \
	steplog metric header candidates tableline table discover ingest claimrow lineid repeats loop denominator rejudge looptext loopadopt verdicts
