#!/usr/bin/env bash
# Builds appnet in every way it is meant to be built and runs every test.
#   contrib/test.sh           everything: gcc, clang, sanitizers, valgrind, Debian 13, make distcheck
#   contrib/test.sh --fast    gcc only: unit and integration tests
# Logs are kept in build-test/logs, the Debian 13 root in $APPNET_TRIXIE_ROOT (/var/tmp/appnet-trixie).
set -euo pipefail

top=$(cd "$(dirname "$0")/.." && pwd)
work=$top/build-test
logs=$work/logs
trixie=${APPNET_TRIXIE_ROOT:-/var/tmp/appnet-trixie}
# shellcheck source=contrib/common.sh
. "$top/contrib/common.sh"

# Two lanes run side by side, the steps of a lane one after the other. The numbers are their limits
# in seconds.
lane_1=(native:1800 browser:900 quickstart:300 clang:600 valgrind:600 trixie:2400)
lane_2=(asan:2400 tsan:2700 distcheck:600)

unit() { make --no-print-directory -C "$1" check VERBOSE=1; }

# Most integration tests wait rather than compute, so more of them run at once than there are cores.
integration() {
    local folder=$1
    shift
    make --no-print-directory -C "$folder" check-integration \
        PYTEST_ARGS="-n 4 --dist loadgroup -ra -p no:cacheprovider $*"
}

step_native() {
    build "$work/source" "$work/native" --enable-werror
    unit "$work/native"
    rm -f "$work/figures"
    APPNET_FIGURES=$work/figures integration "$work/native" -m "'not valgrind'"
}

# Built once: all builds take it ready-made, as from a release, the one that has no network too.
step_page() {
    local source=$work/source/src/registry/web status=0
    "$work/source/contrib/page-build.sh" "$source" "$work/page" || status=$?
    if [[ $status -eq 2 ]]; then
        echo "page npm cannot fetch its packages; see $logs/page.log" >>"$work/skipped"
        return
    fi
    [[ $status -eq 0 ]]
    if [[ -d $source/test ]]; then (cd "$work/page/web" && npm test); fi
    mv "$work/page/dist" "$source/dist"
}

step_browser() { APPNET_FIGURES=$work/figures make --no-print-directory -C "$work/native" check-browser; }

step_quickstart() { "$work/source/contrib/quickstart.sh"; }

step_clang() {
    build "$work/source" "$work/clang" --enable-werror CC=clang
    unit "$work/clang"
}

step_valgrind() { APPNET_TEST_SLOW=10 integration "$work/native" -m valgrind; }

# What the sanitizers report makes a program end with an error, and so its test fail.
sanitized() {
    local folder=$work/$1 slow=$2
    shift 2
    build "$work/source" "$folder" "$@"
    unit "$folder"
    APPNET_SANITIZED=1 APPNET_TEST_SLOW=$slow integration "$folder" -m "'not valgrind'"
}

step_asan() {
    export ASAN_OPTIONS=detect_stack_use_after_return=1 UBSAN_OPTIONS=print_stacktrace=1
    sanitized asan 3 --enable-asan --enable-ubsan
}

step_tsan() {
    export TSAN_OPTIONS=second_deadlock_stack=1
    sanitized tsan 5 --enable-tsan
}

step_distcheck() {
    build "$work/source" "$work/dist"
    make -C "$work/dist" distcheck
}

# Debian 13 has mbedTLS 3.6 and with it TLS 1.3, which Debian 12 has not.
step_trixie() {
    local root=("${as_root[@]}" "$top/contrib/debian-root.sh") copy
    "${root[@]}" make trixie "$trixie"
    copy=$("${as_root[@]}" mktemp -d "$trixie/appnet.XXXXXX")
    # shellcheck disable=SC2064 # the name is known now
    trap "$(printf '%q ' "${as_root[@]}" rm -rf "$copy")" EXIT
    tar -C "$work/source" -cf - . | "${as_root[@]}" tar -C "$copy" --no-same-owner -xf -
    "${root[@]}" run "$trixie" "${copy#"$trixie"}/contrib/install-dependencies.sh" build test
    "${root[@]}" run --offline "$trixie" "${copy#"$trixie"}/contrib/test.sh" --fast
}

why_no_trixie() {
    if pkg-config --exists 'mbedtls >= 3.6'; then
        echo "this machine has mbedTLS 3.6 itself"
    elif ! "${as_root[@]}" true 2>/dev/null; then
        echo "it takes root, or sudo without a password"
    elif ! "${as_root[@]}" unshare --mount --pid --net --fork true 2>/dev/null; then
        echo "this machine, a container perhaps, does not let root mount"
    fi
}

# run_step NAME:LIMIT, within a lane. What it says comes out in one piece when it is over.
run_step() {
    local name=${1%:*} limit=${1#*:} log=$logs/${1%:*}.log start=$SECONDS status=0 command
    command=(timeout --kill-after=30 "$limit" "$0" --step "$name")
    # ThreadSanitizer's own memory must be where address randomisation may have put something else.
    if [[ $name == tsan ]] && setarch -R true 2>/dev/null; then
        command=(setarch -R "${command[@]}")
    fi
    "${command[@]}" >"$log" 2>&1 </dev/null &
    child=$!
    wait "$child" || status=$?
    child=
    if [[ $status -eq 124 ]]; then echo "Stopped at its limit of $limit s." >>"$log"; fi
    {
        flock 8
        if [[ $status -eq 0 ]]; then
            printf '\n=== %s: passed in %s s; the end of its log:\n' "$name" $((SECONDS - start))
            tail -n 3 "$log"
        else
            printf '\n=== %s: FAILED after %s s; its whole log:\n' "$name" $((SECONDS - start))
            cat "$log"
        fi
        echo "$name $status $((SECONDS - start))" >>"$work/results"
    } 8>"$work/output.lock"
}

run_lane() {
    local step
    child=
    trap 'kill $child 2>/dev/null; exit 1' INT TERM
    for step in "$@"; do run_step "$step"; done
}

# What cannot be run here is said, with the reason, and is no failure.
skip() { echo "$1 $2" >>"$work/skipped"; }
is_skipped() { grep -q "^$1 " "$work/skipped"; }

# leave_out NAME: of the first lane.
leave_out() {
    local step rest=()
    for step in "${lane_1[@]}"; do
        if [[ ${step%:*} != "$1" ]]; then rest+=("$step"); fi
    done
    lane_1=("${rest[@]}")
}

# The page, and whether a browser can look at it.
prepare_page() {
    if [[ ! -f $work/source/src/registry/web/dist/index.html ]]; then
        "$top/contrib/install-dependencies.sh" page || true
        if command -v npm >/dev/null; then run_step page:300; else skip page "there is no npm"; fi
    fi
    if is_skipped page; then
        sed -i '/^page /d' "$work/results"
        skip browser "there is no page to look at"
        leave_out browser
    elif [[ ${#lane_2[@]} -gt 0 ]]; then
        "$top/contrib/install-dependencies.sh" browser || true
    fi
}

# The last words are those of the test runners themselves.
summarize() {
    local name status seconds reason failed=0
    if [[ -s $work/figures ]]; then
        printf '\nMeasured:\n'
        sort "$work/figures"
    fi
    echo
    while read -r name status seconds; do
        reason=$(sed -n 's/^The browser tests are skipped: //p' "$logs/$name.log")
        if [[ $status -eq 0 && -n $reason ]]; then
            skip "$name" "$reason"
            continue
        fi
        if [[ $status -eq 0 ]]; then status=passed; else status=FAILED; failed=1; fi
        printf '%-12s %-8s %5s s\n' "$name" "$status" "$seconds"
    done <"$work/results"
    while read -r name reason; do printf '%-12s skipped: %s\n' "$name" "$reason"; done <"$work/skipped"
    for name in "${lane_1[@]%:*}" "${lane_2[@]%:*}"; do
        if ! grep -q "^$name " "$work/results" && ! is_skipped "$name"; then
            printf '%-12s FAILED   did not come to its end\n' "$name"
            failed=1
        fi
    done
    # Automake's, pytest's and node's.
    local summaries='^# [A-Z]+: |^=+ .* in [0-9.]+s|^[^ ]+ (tests|pass|fail|skipped) [0-9]+$'
    # The native build comes last: it is first in its lane, so all others are read before it.
    while read -r name _; do
        if grep -qE "$summaries" "$logs/$name.log"; then
            printf '\n%s:\n' "$name"
            grep -E "$summaries" "$logs/$name.log" | grep -vE '(:|fail|skipped)  *0$' | awk '!seen[$0]++'
        fi
    done < <(grep -v '^native ' "$work/results" || true; grep '^native ' "$work/results")
    return $failed
}

as_root=(sudo -n)
if [[ $(id -u) -eq 0 ]]; then as_root=(); fi

case ${1:-} in
--step) "step_$2"; exit ;;
--fast) lane_1=("${lane_1[0]}"); lane_2=() ;;
"") ;;
*) sed -n '2,5s/^# *//p' "$0" >&2; exit 2 ;;
esac

"$top/contrib/install-dependencies.sh" build quickstart test
rm -rf "$work"
mkdir -p "$logs"
: >"$work/results"
: >"$work/skipped"
copy_source "$work/source"
(cd "$work/source" && autoreconf -i) >"$logs/autoreconf.log" 2>&1 || {
    cat "$logs/autoreconf.log"
    exit 1
}

if [[ ${#lane_2[@]} -gt 0 ]]; then
    why=$(why_no_trixie)
    if [[ -n $why ]]; then skip trixie "$why"; leave_out trixie; fi
fi
prepare_page

run_lane "${lane_1[@]}" &
lanes=($!)
run_lane "${lane_2[@]}" &
lanes+=($!)
trap 'kill "${lanes[@]}" 2>/dev/null; wait; exit 1' INT TERM
wait "${lanes[@]}" || true
summarize
