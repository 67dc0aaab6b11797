# What a directory holds that is to be a backup: facts, a line each.
# Environment: DIRECTORY; STORE, the store that it lies in; CONTROLDATA, the path of pg_controldata.
export LC_ALL=C
cd "$DIRECTORY" 2> /dev/null || exit 0
echo "entries $(ls -A | wc -l)"
files=.
if base=$(archive base.tar); then
    files=$(mktemp -d)
    trap 'rm -rf "$files"' EXIT
    # One without tablespaces has no map of them.
    untar "$base" -x -C "$files" backup_label tablespace_map global/pg_control 2> /dev/null
fi
[ ! -f "$files/global/pg_control" ] || "$CONTROLDATA" -D "$files" 2>&1 | sed 's/^/control /'
[ ! -f "$files/backup_label" ] || sed 's/^/label /' "$files/backup_label"
[ ! -f "$files/tablespace_map" ] || sed 's/^/map /' "$files/tablespace_map"
store=$(readlink -f "$STORE")
for entry in pg_tblspc/*; do
    [ -e "$entry" ] || [ -L "$entry" ] || continue
    place=$(readlink -f "$entry")
    case $place in "$store"/*) in=stored ;; *) in=elsewhere ;; esac
    full=empty
    for of in "$entry"/PG_*; do [ ! -d "$of" ] || full=filled; done
    echo "space ${entry##*/} $in $full $place"
done
for space in [0-9]*.tar*; do
    [ -f "$space" ] || continue
    full=empty
    [ -z "$(untar "$space" -t 2> /dev/null | grep '^PG_')" ] || full=filled
    echo "space ${space%%.*} stored $full $DIRECTORY/$space"
done
