#!/bin/sh
# Writes the files of a folder as C, the way include/appnet/registry/page.h has them:
#   contrib/page-embed.sh FOLDER >page_files.c
set -eu
LC_ALL=C
export LC_ALL

folder=$1
work=$(mktemp -d "${TMPDIR:-/tmp}/page-embed.XXXXXX")
trap 'rm -rf "$work"' EXIT

fail() { echo "$0: $*" >&2; exit 1; }

type_of() {
    case $1 in
    *.html) echo 'text/html; charset=utf-8' ;;
    *.js) echo 'text/javascript; charset=utf-8' ;;
    *.css) echo 'text/css; charset=utf-8' ;;
    *.svg) echo 'image/svg+xml' ;;
    *.png) echo 'image/png' ;;
    *.ico) echo 'image/x-icon' ;;
    *.woff2) echo 'font/woff2' ;;
    *.json) echo 'application/json' ;;
    *.webmanifest) echo 'application/manifest+json' ;;
    *.txt) echo 'text/plain; charset=utf-8' ;;
    *) fail "$1: no media type is known for it" ;;
    esac
}

# array NAME FILE
array() {
    printf 'static const char %s[] =\n    ""\n' "$1"
    od -An -v -to1 "$2" | sed 's/ /\\/g; s/.*/    "&"/'
    echo '    "";'
}

[ -f "$folder/index.html" ] || fail "$folder has no index.html"
(cd "$folder" && find . -type f | sort | sed 's|^\./||') >"$work/names"
if grep -q '[^A-Za-z0-9._/-]' "$work/names"; then
    fail "$folder: a name has other characters than letters, digits, dots, hyphens and underlines"
fi

echo '/* Made by contrib/page-embed.sh. */'
echo '#include "appnet/registry/page.h"'
number=0
while read -r name; do
    file=$folder/$name
    path=/$name
    [ "$name" != index.html ] || path=/
    type=$(type_of "$name")
    digest=$(sha256sum "$file" | cut -c 1-32)
    compressed='NULL, 0'
    echo
    array "plain_$number" "$file"
    gzip -9 -n -c "$file" >"$work/gzip"
    if [ "$(wc -c <"$work/gzip")" -lt "$(wc -c <"$file")" ]; then
        array "gzip_$number" "$work/gzip"
        compressed="gzip_$number, sizeof gzip_$number - 1"
    fi
    printf '    {"%s", "%s", "%s",\n     plain_%s, sizeof plain_%s - 1, %s},\n' \
        "$path" "$type" "$digest" "$number" "$number" "$compressed" >>"$work/table"
    number=$((number + 1))
done <"$work/names"

printf '\nstatic const struct page_file files[] = {\n'
cat "$work/table"
printf '};\n\nconst struct page page_built_in = {files, %s};\n' "$number"
