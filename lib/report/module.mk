# A ledger as a page: gathered (pagedata, curves), then drawn (chart, page) through markup.
report_SRC := markup pagedata curves chart imported page css
