# A ledger as a page: gathered (survey, curves), then drawn (chart, page) through markup.
report_SRC := markup survey curves chart foreign page style
