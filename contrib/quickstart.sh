#!/usr/bin/env bash
# appnet in a minute: builds it, lets redis-cli reach a real Redis through two sidecars, and shows how
# access is taken back. All of it in a temporary folder and on free ports of 127.0.0.1.
set -euo pipefail

top=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/appnet-quickstart.XXXXXX")
pids=()
# shellcheck source=contrib/common.sh
. "$top/contrib/common.sh"

clean_up() {
    local status=$?
    trap - EXIT
    if [[ ${#pids[@]} -gt 0 ]]; then
        kill "${pids[@]}" 2>/dev/null || true
        wait "${pids[@]}" 2>/dev/null || true
    fi
    if [[ $status -ne 0 && $status -ne 130 ]]; then
        printf '\nThat did not work. The ends of the logs:\n'
        tail -n 20 "$work"/*.log 2>/dev/null || true
    fi
    rm -rf "$work"
    exit $status
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

say() { printf '\n%s\n' "$*"; }
show() {
    printf '  $ %s\n' "$*"
    "$@" 2>&1 | sed 's/^/    /'
}

# take_port NAME: sets the variable to a port on which nobody listens, another one each time.
redis_port='' tunnel_port='' plug_port=''
next_port=$((10000 + RANDOM % 20000))
take_port() {
    while next_port=$((next_port + 1)) && (: <>"/dev/tcp/127.0.0.1/$next_port") 2>/dev/null; do :; done
    printf -v "$1" '%s' "$next_port"
}

# until_true SECONDS COMMAND...
until_true() {
    local end=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        if [[ $SECONDS -ge $end ]]; then echo "Waited in vain for: $*" >&2; return 1; fi
        sleep 0.1
    done
}

say "1. Building (what is missing is installed by apt-get first)"
"$top/contrib/install-dependencies.sh" build quickstart
copy_source "$work/source"
{
    (cd "$work/source" && autoreconf -i)
    build "$work/source" "$work/build" --with-cmocka=no --enable-cli=yes
} >"$work/build.log" 2>&1
PATH=$work/build:$PATH
cd "$work"
show appnet-sidecar --version

say "2. An authority for the mesh 'demo.example', and a certificate for each of two applications"
show appnet ca init --dir ca --trust-domain demo.example
show appnet ca issue --dir ca --instance shop --out shop
show appnet ca issue --dir ca --instance redis --out redis

take_port redis_port
take_port tunnel_port
take_port plug_port
redis-server --bind 127.0.0.1 --port "$redis_port" --save '' --dir "$work" >redis-server.log 2>&1 &
pids+=($!)
until_true 10 redis-cli -p "$redis_port" ping

say "3. Two sidecars. Redis's offers its port as the inbound 'cache', and says who may connect"
cat >redis.conf <<EOF
instance     = "redis";
trust_domain = "demo.example";
admin        = "redis.sock";
tunnel       = { listen = "127.0.0.1:$tunnel_port"; };
identity     = { certificate = "redis/cert.pem"; key = "redis/key.pem"; ca = "redis/ca.pem"; };
inbounds     = ( { name = "cache"; target = "127.0.0.1:$redis_port"; } );
allow        = ( { inbound = "cache"; instance = "shop"; outbound = "session-store"; } );
EOF
show cat redis.conf
echo "   The shop's has the outbound 'session-store': a local port, connected to that inbound"
cat >shop.conf <<EOF
instance     = "shop";
trust_domain = "demo.example";
admin        = "shop.sock";
identity     = { certificate = "shop/cert.pem"; key = "shop/key.pem"; ca = "shop/ca.pem"; };
outbounds    = ( { name = "session-store"; required = true; listen = "127.0.0.1:$plug_port"; } );
connections  = ( { outbound = "session-store"; instance = "redis"; inbound = "cache";
                   address = "127.0.0.1:$tunnel_port"; } );
EOF
show cat shop.conf
for name in redis shop; do
    appnet-sidecar --check -c "$name.conf" >"$name-check.log" 2>&1
    appnet-sidecar -c "$name.conf" 2>"$name.log" &
    pids+=($!)
done
redis_sidecar=${pids[1]}
is_established() { appnet status --sidecar shop.sock | grep -q ESTABLISHED; }
until_true 10 is_established

say "4. The shop talks to a port of its own machine, and Redis answers"
show redis-cli -p "$plug_port" set greeting "hello through the tunnel"
show redis-cli -p "$plug_port" get greeting
echo "   A value of 16 MiB there and back:"
head -c 16777216 /dev/urandom >value
redis-cli -p "$plug_port" -x set value <value >/dev/null
redis-cli -p "$plug_port" --raw get value >back
truncate -s 16777216 back # without redis-cli's own end of line
show sha256sum value back
cmp value back

say "5. What the shop's sidecar says of it"
show appnet status --sidecar shop.sock
echo "   and what it logged:"
show grep -E 'tunnel up|stream closed' shop.log

say "6. Redis takes the permission back: 'allow' goes, and the sidecar reads its file again (SIGHUP)"
sed -i '/^allow/d' redis.conf
kill -HUP "$redis_sidecar"
until_true 10 grep -q 'configuration reloaded' redis.log
is_refused() { ! redis-cli -p "$plug_port" get greeting | grep -q hello; }
until_true 10 is_refused
show redis-cli -p "$plug_port" get greeting || true
echo "   Redis's sidecar has said no, before Redis saw anything:"
show grep -m 1 'stream refused' redis.log

say "That was appnet. All of it is being stopped and removed again; README.md says how to go on."
