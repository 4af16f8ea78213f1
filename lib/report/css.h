#ifndef HG_CSS_H
#define HG_CSS_H

/**
 * The page's style, lib/report/page.css: colours as variables, once for light
 * and once for dark.  Every text colour (--ink...) stands out from every ground
 * (--paper...) by 4.5 to 1 or more.  Checked: t/hg-report.bats.
 */
extern const char embedded_css[];

#endif
