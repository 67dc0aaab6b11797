# The directories of a backup in the backup storage, a block of lines each.
# Environment: BASE, the directory that holds them; NAME, the backup's name in the strategy;
# CONTROLDATA, the path of pg_controldata.
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
    if [ -f "$directory/backup_label" ]; then
        sed 's/^/label /' "$directory/backup_label"
    elif base=$(archive "$directory/base.tar"); then
        untar "$base" -x -O --occurrence=1 backup_label 2> /dev/null | sed 's/^/label /'
    else # of a server that was shut down
        "$CONTROLDATA" -D "$directory" 2> /dev/null |
            sed -n "s/^Latest checkpoint's REDO WAL file: */redo /p"
    fi
    for link in "$directory"/pg_tblspc/*; do
        [ ! -L "$link" ] || echo "space ${link##*/} $(readlink "$link")"
    done
    [ -f "$directory/backup_manifest" ] || continue
    head -c 500 "$directory/backup_manifest" | sed -n 's/^"System-Identifier": \([0-9]*\).*/system \1/p'
    # The last WAL range of the manifest, which stands near its end.
    tail -c 2000 "$directory/backup_manifest" | sed -n 's/.*"End-LSN": "\([^"]*\)".*/end \1/p' | tail -n 1
done
