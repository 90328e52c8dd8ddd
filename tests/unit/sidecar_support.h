/* Snapshots for tests. To be used in a folder of the test's own. */
#ifndef TESTS_UNIT_SIDECAR_SUPPORT_H
#define TESTS_UNIT_SIDECAR_SUPPORT_H

#include "appnet/sidecar/snapshot.h"

/* Of instance "shop" of shop.example, which has a registry, with these lists. */
struct config *support_config(const char *lists, struct error *err);

/* Of instance "shop" of shop.example, with these lists, as a .conf file has them. */
struct snapshot *support_snapshot(const char *lists, struct error *err);

/* Plugs: db (required) and cache, which are connected, and mail (required), which is not. Hubs:
 * http and admin; blog's plug "page" and desk's "tools" may use http, desk's "tools" admin, too. */
#define SUPPORT_LISTS                                                                    \
    "outbounds = ({ name = \"db\"; required = true; listen = \"127.0.0.1:3306\"; },"     \
    "             { name = \"cache\"; required = false; listen = \"127.0.0.1:6379\"; }," \
    "             { name = \"mail\"; required = true; listen = \"127.0.0.1:2525\"; });"  \
    "connections = ({ outbound = \"db\"; instance = \"mysql\"; inbound = \"sql\";"       \
    "                 address = \"10.0.0.7:15008\"; },"                                  \
    "               { outbound = \"cache\"; instance = \"redis\"; inbound = \"keys\";"   \
    "                 address = \"10.0.0.8:15008\"; });"                                 \
    "inbounds = ({ name = \"http\"; target = \"127.0.0.1:80\"; },"                       \
    "            { name = \"admin\"; target = \"[::1]:8080\"; });"                       \
    "allow = ({ inbound = \"http\"; instance = \"desk\"; outbound = \"tools\"; },"       \
    "         { inbound = \"http\"; instance = \"blog\"; outbound = \"page\"; },"        \
    "         { inbound = \"admin\"; instance = \"desk\"; outbound = \"tools\"; });"

#endif
