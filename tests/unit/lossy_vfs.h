/* A machine that loses its power, for SQLite: everything written goes to the real files, and what
 * of it a disk would still have after a power cut is known all the time. */
#ifndef LOSSY_VFS_H
#define LOSSY_VFS_H

#include <stdint.h>

/* What SQLite opens from now on, it opens through it. */
void lossy_vfs_begin(void);
/* What SQLite opens from now on is of no interest any more. */
void lossy_vfs_hold(void);
/* Forgets everything. All that was opened must be closed. */
void lossy_vfs_end(void);

/* Writes the files as a power cut now would leave them, under their names, into `folder`: what was
 * synced is there, and of what was written since, each write is there or not, at random by `seed`;
 * with seed 0 none is. May be called while SQLite writes in another thread. */
void lossy_vfs_cut(const char *folder, uint32_t seed);

#endif
