#ifndef HG_INTERRUPTED_H
#define HG_INTERRUPTED_H

/* Was a stage that was refused for what has this name only interrupted, so that nothing was found out about its run? */
int interrupted_kind(const char *name);

#endif
