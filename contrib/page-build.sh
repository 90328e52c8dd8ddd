#!/bin/sh
# Builds the registry's page: contrib/page-build.sh SOURCE FOLDER
# puts it into FOLDER/dist, and leaves SOURCE as it is. Needs npm, and the packages of the lock file,
# from npm's cache or its registry. Ends with 2 if these are not to be had, with 1 if the page is wrong.
set -eu

source=$1
folder=$2
log=$folder/log

mkdir -p "$folder/web"
find "$folder/web" -mindepth 1 -maxdepth 1 ! -name node_modules -exec rm -rf {} +
tar -C "$source" --exclude=./node_modules --exclude=./dist --exclude='./build*' -cf - . | tar -C "$folder/web" -xf -
chmod -R u+w "$folder/web"
rm -rf "$folder/dist"

: >"$log"
# run STATUS COMMAND...
run() {
    status=$1
    shift
    if ! (cd "$folder/web" && "$@") >>"$log" 2>&1 </dev/null; then
        echo "The page could not be built; the end of what $1 $2 said:" >&2
        tail -n 15 "$log" >&2
        exit "$status"
    fi
}

# What is installed already is kept for as long as the lock file is the same.
if ! cmp -s "$source/package-lock.json" "$folder/lock"; then
    run 2 npm ci --ignore-scripts --no-audit --no-fund --no-update-notifier
    cp "$source/package-lock.json" "$folder/lock"
    chmod u+w "$folder/lock"
fi
run 1 npm run build
mv "$folder/web/dist" "$folder/dist"
