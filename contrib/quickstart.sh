#!/usr/bin/env bash
# appnet in a minute: builds it, plugs two applications into one Redis while everything runs, and unplugs
# one of them again. All of it in a temporary folder and on free ports of 127.0.0.1.
#   contrib/quickstart.sh [--keep]      --keep leaves it all running, to go on with by hand
set -euo pipefail

keep=false
case "${1-}" in
'') ;;
--keep) keep=true ;;
*) echo "usage: $0 [--keep]" >&2; exit 2 ;;
esac

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

# start NAME COMMAND...: in the background and in a session of its own, so that it may outlive this one.
start() {
    local name=$1
    shift
    setsid "$@" </dev/null >"$name.log" 2>&1 &
    pids+=($!)
}

# take_port NAME: sets the variable to a port on which nobody listens, another one each time.
api_port='' join_port='' redis_port='' tunnel_port='' shop_port='' blog_port=''
next_port=$((25000 + RANDOM % 1900)) # up to 26999: those below and above are the tests'
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
if [[ ! -f $top/src/registry/web/dist/index.html ]]; then "$top/contrib/install-dependencies.sh" page || true; fi
copy_source "$work/source"
{
    (cd "$work/source" && autoreconf -i)
    build "$work/source" "$work/build" --with-cmocka=no --enable-cli=yes --enable-registry=yes
} >"$work/build.log" 2>&1
PATH=$work/build:$PATH
cd "$work"
show appnet-sidecar --version
if [[ ! -f source/src/registry/web/dist/index.html && ! -f build/page-build/dist/index.html ]]; then
    echo "   Without the web page: there is no npm, or it cannot fetch its packages. build.log says more."
fi
for name in api join redis tunnel shop blog; do take_port "${name}_port"; done

say "2. The registry of the mesh 'demo.example': it knows who there is, and who is connected to whom"
cat >registry.conf <<END
trust_domain = "demo.example";
data_dir     = "registry";
tls_listen   = "127.0.0.1:$join_port";
http_listen  = "127.0.0.1:$api_port";
END
show cat registry.conf
start registry appnet-registry -c registry.conf
until_true 10 grep -q 'registry started' registry.log
export APPNET_REGISTRY="http://127.0.0.1:$api_port" APPNET_TOKEN_FILE="$work/registry/admin.token"

say "3. Redis, and a sidecar beside it that offers Redis's port as the inbound 'cache'"
start redis-server redis-server --bind 127.0.0.1 --port "$redis_port" --save '' --dir "$work"
until_true 10 redis-cli -p "$redis_port" ping
cat >redis.conf <<END
instance     = "redis";
trust_domain = "demo.example";
state_dir    = "redis";
admin        = "redis.sock";
registry     = { address = "127.0.0.1:$join_port"; join_token_file = "redis.token"; };
tunnel       = { listen = "127.0.0.1:$tunnel_port"; };
inbounds     = ( { name = "cache"; target = "127.0.0.1:$redis_port"; } );
END
show cat redis.conf
echo "   A join token, good once and for a quarter of an hour, lets it in:"
printf '  $ %s\n' "appnet token create --instance redis >redis.token"
(umask 077 && appnet token create --instance redis >redis.token)
start redis appnet-sidecar -c redis.conf

say "4. Two applications with a plug each, in the same way. Nothing says where the plugs lead"
# client NAME OUTBOUND PORT REQUIRED
client() {
    cat >"$1.conf" <<END
instance     = "$1";
trust_domain = "demo.example";
state_dir    = "$1";
admin        = "$1.sock";
registry     = { address = "127.0.0.1:$join_port"; join_token_file = "$1.token"; };
outbounds    = ( { name = "$2"; required = $4; listen = "127.0.0.1:$3"; } );
END
    (umask 077 && appnet token create --instance "$1" >"$1.token")
    start "$1" appnet-sidecar -c "$1.conf"
}
client shop carts "$shop_port" true
client blog drafts "$blog_port" false
show cat shop.conf
three_are_there() { [[ $(appnet instance list | grep -c '1/1') -eq 3 ]]; }
until_true 10 three_are_there
show appnet instance list
show appnet inbound available
show appnet outbound available

say "5. Plugging in, while everything runs: both into the one Redis"
show appnet add shop carts redis cache --wait
show appnet add blog drafts redis cache --wait
show appnet list

say "6. Each talks to a port of its own machine, and Redis answers"
show redis-cli -p "$shop_port" set greeting "hello from the shop"
show redis-cli -p "$blog_port" get greeting
echo "   A value of 16 MiB there and back:"
head -c 16777216 /dev/urandom >value
redis-cli -p "$shop_port" -x set value <value >/dev/null
redis-cli -p "$blog_port" --raw get value >back
truncate -s 16777216 back # without redis-cli's own end of line
show sha256sum value back
cmp value back

say "7. The blog is unplugged. Its port is closed, and Redis's sidecar would refuse it, too"
show appnet remove blog drafts redis cache --wait
show redis-cli -p "$blog_port" get greeting || true
if redis-cli -p "$blog_port" get greeting 2>/dev/null | grep -q hello; then exit 1; fi
echo "   The shop has not noticed anything:"
show redis-cli -p "$shop_port" get greeting
echo "   It cannot be unplugged by mistake, since it requires that outbound:"
show appnet remove shop carts redis cache || true
show appnet list

say "8. The same with the mouse, on the registry's page"
page=$(sed -n 's/.* page address="\(.*\)"$/\1/p' registry.log)
if ! $keep; then
    echo "   $page"
    say "That was appnet. All of it is being stopped and removed again; with --keep it stays, the page too."
    exit 0
fi
trap - EXIT
cat <<END

It goes on running. To go on:
  export PATH=$work/build:\$PATH APPNET_REGISTRY=$APPNET_REGISTRY APPNET_TOKEN_FILE=$APPNET_TOKEN_FILE
  appnet add blog drafts redis cache --wait
  redis-cli -p $blog_port get greeting
  appnet status --sidecar $work/shop.sock
To end it:
  kill ${pids[*]}; rm -rf $work

The page; this address signs in once, within an hour:
  $page
END
