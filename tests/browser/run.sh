#!/bin/sh
# run.sh FOLDER SCRIPT [ARGUMENTS...]: runs a script of the browser tests, with its packages in FOLDER. If
# something is missing that the machine has to have, says so and ends with 0.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
folder=$1
script=$2
shift 2

skip() {
    echo "The browser tests are skipped: $1"
    exit 0
}

[ -x "${APPNET_BIN_DIR:-$here/../..}/appnet-registry" ] || skip "the registry is not built"
command -v node >/dev/null || skip "there is no node"
command -v npm >/dev/null || skip "there is no npm"
command -v redis-server >/dev/null || skip "there is no redis-server"
command -v "${APPNET_CHROMIUM:-chromium}" >/dev/null || skip "there is no chromium"
node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 18 || (a === 18 && b >= 19) ? 0 : 1)' ||
    skip "node $(node --version) is older than 18.19"

mkdir -p "$folder"
stamp=$folder/node_modules/.installed
if ! cmp -s "$here/package-lock.json" "$stamp"; then
    for file in package.json package-lock.json .npmrc; do
        [ "$here" = "$folder" ] || cp "$here/$file" "$folder/$file"
    done
    (cd "$folder" && npm ci --no-audit --no-fund --loglevel=error >npm.log 2>&1) || {
        tail -n 5 "$folder/npm.log"
        skip "the packages could not be installed"
    }
    cp "$here/package-lock.json" "$stamp"
fi

exec env APPNET_BROWSER_PACKAGES="$folder" node "$here/$script" "$@"
