#ifndef HG_CSS_H
#define HG_CSS_H

/**
 * The page's style, lib/report/page.css: colours as variables, once for light
 * and once for dark.  Every text colour (--ink...) stands out from every ground
 * (--paper...) by 4.5 to 1 or more.  Marks are Okabe's and Ito's blue,
 * vermilion and orange, and a grey, each as dark or light as its ground asks
 * for: no kind of colour blindness makes one of two.  None of them says
 * anything alone: classes have shapes, the incumbent's curve is dashed.
 * Checked: t/hg-report.bats.
 */
extern const char embedded_css[];

#endif
