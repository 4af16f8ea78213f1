# A ledger as a page: gathered (pagedata, curves), then drawn (chart, page) through markup.  A run that is watched:
# gathered (watched, losses, target), then drawn (panel).
report_SRC := markup words pagedata curves losses target watched chart imported cost tried trained now requests page panel

# Its style is a file of its own.
report_OBJ = $(B)/lib/report/embedded_css.o

$(B)/gen/embedded_css.c: lib/report/page.css $(B)/gen/embed
	$(call say,GEN)
	$(Q)$(B)/gen/embed text css $< > $@.new && mv $@.new $@
