# Reads a backup in tar format: base.tar, <OID>.tar of each tablespace and pg_wal.tar, packed or not.

# The file of an archive, by its path without the ending of what packed it; fails where there is none.
archive() {
    for file in "$1" "$1.gz" "$1.lz4" "$1.zst"; do
        if [ -f "$file" ]; then
            echo "$file"
            return
        fi
    done
    return 1
}

# tar with the further arguments on this file.
untar() {
    tar=$1
    shift
    case $tar in
    *.gz) tar -I gzip -f "$tar" "$@" ;;
    *.lz4) tar -I lz4 -f "$tar" "$@" ;;
    *.zst) tar -I zstd -f "$tar" "$@" ;;
    *) tar -f "$tar" "$@" ;;
    esac || {
        echo "\`${tar##*/}\` can't be unpacked" >&2
        return 2
    }
}

# Unpacks the directory FROM into DATA, and each tablespace into a directory of its own in SPACES.
unpack() {
    from=$1 data=$2 spaces=$3
    untar "$(archive "$from/base.tar")" -x -p -C "$data"
    if segments=$(archive "$from/pg_wal.tar"); then
        untar "$segments" -x -p -C "$data/pg_wal"
    fi
    for space in "$from"/[0-9]*.tar*; do
        [ -f "$space" ] || continue
        oid=${space##*/} oid=${oid%%.*}
        mkdir "$spaces/$oid"
        untar "$space" -x -p -C "$spaces/$oid"
        ln -sfn "$spaces/$oid" "$data/pg_tblspc/$oid"
    done
    [ ! -f "$from/backup_manifest" ] || cp -p "$from/backup_manifest" "$data/"
}
