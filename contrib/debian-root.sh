#!/usr/bin/env bash
# A folder with another Debian release in it, and commands run there: how the tests reach a library
# version that this machine does not have. Needs root. Nothing stays mounted: the mounts live in a
# namespace that ends with the command.
#   contrib/debian-root.sh make SUITE FOLDER
#       makes it with debootstrap, unless it is there already
#   contrib/debian-root.sh run [--offline] FOLDER COMMAND ARGS...
#       runs a command in it, with /proc, /dev and /tmp; offline, with a loopback device of its own
set -euo pipefail

usage() {
    sed -n 's/^#   /  /p' "$0" >&2
    exit 2
}

# The place this machine's own packages come from has the other releases too.
find_mirror() {
    local codename mirrors
    # shellcheck source=/dev/null
    codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
    # shellcheck disable=SC2016 # expanded by apt-get
    mirrors=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' \
        'Created-By: Packages' 'Origin: Debian')
    awk -v codename="$codename" '$2 ~ "^(stable|" codename ")$" && $3 == "main" {print $1; exit}' \
        <<<"$mirrors"
}

make_root() {
    local suite=$1 folder=$2 mirror
    exec 9>"$folder.lock"
    flock 9
    if [[ -e $folder/.appnet-root-complete ]]; then
        return
    fi
    if [[ -n $(ls -A "$folder" 2>/dev/null) && ! -e $folder/.appnet-root ]]; then
        echo "$folder is not empty and was not made by this script: not touched" >&2
        return 1
    fi
    mirror=$(find_mirror)
    if [[ -z $mirror ]]; then
        echo "apt's configuration names no Debian mirror to take $suite from" >&2
        return 1
    fi
    rm -rf --one-file-system "$folder"
    mkdir -p "$folder"
    touch "$folder/.appnet-root"
    echo "Making a Debian $suite root in $folder"
    debootstrap --variant=minbase --include=ca-certificates "$suite" "$folder" "$mirror" \
        >"$folder.log" 2>&1 9>&- || {
        tail -n 20 "$folder.log" >&2
        return 1
    }
    rm -f "$folder.log"
    echo "deb $mirror $suite main" >"$folder/etc/apt/sources.list"
    # How this machine gets through to its mirror: proxies, certificates, credentials.
    apt-config dump | grep -E '^Acquire::https?::' >"$folder/etc/apt/apt.conf.d/90host" || true
    if [[ -e /etc/apt/auth.conf ]]; then cp -a /etc/apt/auth.conf "$folder/etc/apt/"; fi
    if [[ -d /etc/apt/auth.conf.d ]]; then cp -a /etc/apt/auth.conf.d "$folder/etc/apt/"; fi
    if [[ -e /etc/ssl/certs/ca-certificates.crt ]]; then
        cp -L /etc/ssl/certs/ca-certificates.crt "$folder/etc/ssl/certs/"
    fi
    # No server starts by itself in there.
    printf '#!/bin/sh\nexit 101\n' >"$folder/usr/sbin/policy-rc.d"
    chmod 755 "$folder/usr/sbin/policy-rc.d"
    touch "$folder/.appnet-root-complete"
}

run_in_root() {
    local folder network=()
    if [[ $1 == --offline ]]; then
        network=(--net)
        shift
    fi
    folder=$1
    shift
    cp -L /etc/resolv.conf /etc/hosts "$folder/etc/"
    # shellcheck disable=SC2016 # expanded by the inner shell
    exec unshare --mount --propagation private --pid --fork --kill-child "${network[@]}" sh -ec '
        folder=$1
        shift
        ip link set lo up
        mount --rbind /dev "$folder/dev"
        mount --bind /tmp "$folder/tmp"
        mount -t proc proc "$folder/proc"
        exec chroot "$folder" /usr/bin/env -i HOME=/root TERM="${TERM:-dumb}" LANG=C.UTF-8 \
            PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"' sh "$folder" "$@"
}

case ${1:-} in
make) [[ $# -eq 3 ]] || usage; make_root "$2" "$3" ;;
run) [[ $# -ge 3 ]] || usage; shift; run_in_root "$@" ;;
*) usage ;;
esac
