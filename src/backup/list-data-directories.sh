# The data directories of a backup in the backup storage, a block of lines each.
# Environment: BASE, the directory that holds them; NAME, the backup's name in the strategy.
export LC_ALL=C
cd "$BASE" 2> /dev/null || exit 0
for directory in "$NAME"-*; do
    case $directory in
    *.tblspc) continue ;;
    esac
    case ${directory#"$NAME"-} in
    *[!0-9]*) continue ;;
    esac
    [ -d "$directory" ] || continue
    bytes=$(du -sbc "$directory" "$directory.tblspc" 2> /dev/null | tail -n 1 | cut -f 1)
    echo "backup $directory $(stat -c %Y "$directory") $bytes"
    [ ! -f "$directory/backup_label" ] || sed 's/^/label /' "$directory/backup_label"
    # The last WAL range of the manifest, which stands near its end.
    [ ! -f "$directory/backup_manifest" ] ||
        tail -c 2000 "$directory/backup_manifest" | sed -n 's/.*"End-LSN": "\([^"]*\)".*/end \1/p' | tail -n 1
done
