#ifndef HG_MUON_TASKS_H
#define HG_MUON_TASKS_H

#include "gpt/cpu/cpu.h"

/**
 * muon_tasks_run(c, p, count, law):
 * ops.h's muon on the cpu backend.  A matrix is a task, the largest first, while that keeps the threads busy; where it
 * does not they share the parts of each stage (cpu.h) of several matrices at a time.  The bits are the same.
 * Checked: t/unit/cpu.c, t/unit/muon.c, t/unit/ops.c.
 */
void muon_tasks_run(struct ops_ctx *c, const struct ops_muon *p, size_t count, const struct ops_muon_law *law);

#endif
