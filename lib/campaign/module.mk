# A folder of requests: what each of them is waiting for, by requests, runs, ledger and the owner's words alone.
campaign_SRC := campaign clear request room runs triage turns
