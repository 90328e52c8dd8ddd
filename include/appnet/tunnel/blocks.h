/* Small blocks of memory of one thread, given back and used again: what nghttp2 asks for with every
 * frame it makes, so that traffic in its steady state allocates nothing. */
#ifndef APPNET_TUNNEL_BLOCKS_H
#define APPNET_TUNNEL_BLOCKS_H

#include <nghttp2/nghttp2.h>

struct blocks;

struct blocks *blocks_new(void);

/* Everything taken must have been given back. */
void blocks_free(struct blocks *blocks);

/* The table of functions that an nghttp2 session takes; good as long as `blocks` is. */
nghttp2_mem blocks_mem(struct blocks *blocks);

#endif
