#ifndef HG_STYLE_H
#define HG_STYLE_H

/**
 * style_sheet():
 * The page's style: colours as variables, once for light and once for dark.
 * Every text colour (--ink...) stands out from every ground (--paper...) by
 * 4.5 to 1 or more.  Checked: t/hg-report.bats.
 */
const char *style_sheet(void);

#endif
