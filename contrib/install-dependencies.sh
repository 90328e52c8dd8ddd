#!/usr/bin/env bash
# Installs the Debian packages that appnet needs, those of them that are missing.
#   contrib/install-dependencies.sh [build] [page] [quickstart] [test] [browser]
# Without a word it is build. The page is built by npm, unless it came ready-made.
set -euo pipefail

build=(autoconf automake pkg-config gcc libc6-dev make libevent-dev libmbedtls-dev libgcrypt20-dev
       libnghttp2-dev libconfig-dev libinih-dev libjansson-dev libcurl4-openssl-dev
       libsqlite3-dev)
page=(npm)
browser=(npm chromium fonts-dejavu-core redis-server)
quickstart=(redis-server redis-tools)
test=(libcmocka-dev clang python3-pytest python3-pytest-xdist python3-h2 python3-jsonschema
      python3-yaml redis-server redis-tools nginx postgresql gnutls-bin valgrind openssl curl procps
      iproute2 util-linux debootstrap groff-base xz-utils)

wanted=()
for group in "${@:-build}"; do
    case $group in
    build) wanted+=("${build[@]}") ;;
    page) wanted+=("${page[@]}") ;;
    browser) wanted+=("${browser[@]}") ;;
    quickstart) wanted+=("${quickstart[@]}") ;;
    test) wanted+=("${test[@]}") ;;
    *) echo "usage: $0 [build] [page] [quickstart] [test] [browser]" >&2; exit 2 ;;
    esac
done

if ! command -v apt-get >/dev/null; then
    echo "Only Debian's packages are known here; please install what they stand for: ${wanted[*]}" >&2
    exit 1
fi

missing=()
for package in "${wanted[@]}"; do
    # Many have an npm of another origin, which Debian's would be in the way of.
    if [[ $package == npm ]] && command -v npm >/dev/null; then continue; fi
    if [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) != installed ]]; then
        missing+=("$package")
    fi
done
if [[ ${#missing[@]} -eq 0 ]]; then
    exit 0
fi

as_root=()
if [[ $(id -u) -ne 0 ]]; then
    if ! command -v sudo >/dev/null; then
        echo "These packages are missing, and installing them takes root or sudo: ${missing[*]}" >&2
        exit 1
    fi
    as_root=(sudo)
fi
echo "Installing: ${missing[*]}"
# RUNLEVEL=1 keeps servers from being started where there is no systemd. Where there is, a server that
# was not there before starts with its package; appnet's scripts use free ports and never touch it.
environment=(env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1)
"${as_root[@]}" "${environment[@]}" apt-get -qq -o DPkg::Lock::Timeout=300 update
"${as_root[@]}" "${environment[@]}" apt-get -qq -y -o DPkg::Lock::Timeout=300 \
    --no-install-recommends install "${missing[@]}" >/dev/null
