# Statistics and verdicts, pure: rows in, verdicts out.
law_SRC := stats noise policy settled verdict standings classify validity explain
