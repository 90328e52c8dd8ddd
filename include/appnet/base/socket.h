/* What a TCP socket is told about the way its bytes take. */
#ifndef APPNET_BASE_SOCKET_H
#define APPNET_BASE_SOCKET_H

#include <stdbool.h>

#include "appnet/base/address.h"

bool socket_address_is_loopback(const struct socket_address *address);

/* Do its bytes stay on this machine? So for a socket that is bound to a loopback address, and for a
 * connected one whose two ends have the same host. */
bool socket_is_local(int fd);

/* Nothing waits for more to be sent with it. If `local`, congestion control without pacing (RFC
 * 5681) whatever the machine's default is: there is no network to be careful with, and a timer for
 * each burst costs up to half of the throughput. One that is accepted inherits it from its
 * listener.
 */
void socket_prepare(int fd, bool local);

/* Has the kernel find out that the other end is gone: after 60 + 4 * 15 seconds of silence. On one
 * machine, too: an application that has closed its end, and never hears of ours, is forgotten
 * there. */
void socket_keep_alive(int fd);

#endif
