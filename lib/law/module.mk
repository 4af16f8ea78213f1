# Statistics and verdicts, pure: rows in, verdicts out.
law_SRC := stats noise policy verdict standings classify validity explain
