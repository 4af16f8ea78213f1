# The ledger as a file: chain, rows, index, witnesses, and what is read along it.
ledger_SRC := index ledger row settings timeline verify witness
