# A ledger as a page: gathered (pagedata, curves), then drawn (chart, page) through markup.
report_SRC := markup pagedata curves chart imported page

# Its style is a file of its own.
report_OBJ = $(B)/lib/report/embedded_css.o

$(B)/gen/embedded_css.c: lib/report/page.css $(B)/gen/embed
	$(call say,GEN)
	$(Q)$(B)/gen/embed text css $< > $@.new && mv $@.new $@

$(B)/lib/report/embedded_css.o: $(B)/gen/embedded_css.c lib/report/css.h
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(CPPFLAGS) $(HG_CFLAGS) $(CFLAGS) -c -o $@ $<
