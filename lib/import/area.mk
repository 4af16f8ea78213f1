# Other people's results: texts -> claims -> rows of a ledger, and what can be said of them.
import_SRC := flag figure textfile claim jsontext logtext fields selfcheck logcheck submission cells sheet harvest intake entry audit rejudge verdicts counter
