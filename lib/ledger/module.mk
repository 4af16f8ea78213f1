# The ledger as a file: chain, rows, index, witnesses, and what is read along it.
ledger_SRC := index inert ledger row settings timeline verify witness
