# shellcheck shell=bash
# What quickstart.sh and test.sh share; sourced, with `top` naming the root of the source.
: "${top:?}"

# copy_source FOLDER: the source as it stands, committed or not, without anything that was built from
# it. So no build is disturbed by what an earlier one left behind.
copy_source() {
    local file
    mkdir -p "$1"
    {
        { [[ -e $top/.git ]] && git -C "$top" ls-files -z --cached --others --exclude-standard 2>/dev/null; } ||
            (cd "$top" && find . \( -path './build*' -o -path ./page-build -o -name node_modules \) -prune -o \
                -type f -print0)
    } | while IFS= read -r -d '' file; do
        if [[ -f $top/$file ]]; then printf '%s\0' "$file"; fi
    done | tar -C "$top" --null --no-recursion -T - -cf - | tar -C "$1" -xf -
}

# build SOURCE FOLDER [CONFIGURE-ARGUMENTS...]: autoreconf has been run in SOURCE.
build() {
    local source=$1 folder=$2
    shift 2
    mkdir -p "$folder"
    (cd "$folder" && "$source/configure" -q "$@" && make -j"$(nproc)")
}
