#ifndef HG_INTERRUPTED_H
#define HG_INTERRUPTED_H

/* Was a stage that was refused for what has this name only interrupted, so that nothing was found out about its run? */
int interrupted_kind(const char *name);

/* Would it be refused again, whenever it is tried? 0 for a name that this version does not know. */
int interrupted_never(const char *name);

#endif
