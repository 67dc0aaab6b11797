# What segments of the WAL hold: a line each, the facts and then the file's name.
# Environment: ARCHIVE and DATA, each with names of segments between which to look (AFTER, UP_TO;
# WRITTEN_AFTER, WRITTEN), and WALDUMP: the program's path, or empty.
export LC_ALL=C

# names DIRECTORY AFTER UP_TO
names() {
    ls "$1" 2> /dev/null | awk -v after="$2" -v up_to="$3" '
        { segment = substr($0, 1, 24) "" }
        segment ~ /^[0-9A-F]+$/ && length(segment) == 24 && segment > after "" && segment <= up_to ""'
}

digest() {
    sha256sum | cut -c 1-32
}

# What unpacks a file that begins so.
unpacker() {
    case $1 in
    1f8b*) echo gzip ;;
    28b52ffd*) echo zstd ;;
    04224d18*) echo lz4 ;;
    fd377a585a00*) echo xz ;;
    425a68*) echo bzip2 ;;
    esac
}

names "$ARCHIVE" "$AFTER" "$UP_TO" | while read -r name; do
    file=$ARCHIVE/$name
    [ -f "$file" ] || continue
    head=$(od -An -v -tx1 -N 40 "$file" | tr -d ' \n')
    inside=-
    unpack=$(unpacker "$head")
    if [ -n "$unpack" ] && command -v "$unpack" > /dev/null; then
        inside=$("$unpack" -dc < "$file" 2> /dev/null | digest)
    fi
    echo "pgdrill-archived $(stat -c %s "$file") $(digest < "$file") ${head:--} $inside $name"
    if [ -n "$WALDUMP" ] && [ -z "$unpack" ]; then
        said=$("$WALDUMP" -q "$file" 2>&1) || echo "pgdrill-refused $name $(echo "$said" | tail -n 1)"
    fi
done
names "$DATA/pg_wal" "$WRITTEN_AFTER" "$WRITTEN" | while read -r name; do
    [ ${#name} = 24 ] && echo "pgdrill-written $name $(digest < "$DATA/pg_wal/$name")"
done
:
