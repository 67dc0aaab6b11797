# What segments of the WAL hold: a line each, the facts and then the file's name.
# Before these lines stands a function `wal_files`: name, bytes and path of each file in the archive.
# Environment: names of segments in the archive between which to look (AFTER, UP_TO), DATA with the
# same of the server's own (WRITTEN_AFTER, WRITTEN), and WALDUMP: the program's path, or empty.
export LC_ALL=C

# Lines of standard input that begin with a segment's name: between AFTER UP_TO
between() {
    awk -v after="$1" -v up_to="$2" '
        { segment = substr($0, 1, 24) "" }
        segment ~ /^[0-9A-F]+$/ && length(segment) == 24 && segment > after "" && segment <= up_to ""'
}

head_of() {
    od -An -v -tx1 -N 40 "$1" | tr -d ' \n'
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

unpacked=$(mktemp -d)
trap 'rm -rf "$unpacked"' EXIT
wal_files | between "$AFTER" "$UP_TO" | while read -r name bytes file; do
    [ -f "$file" ] || continue
    head=$(head_of "$file")
    inside=-
    inside_head=-
    plain=$file
    unpack=$(unpacker "$head")
    if [ -n "$unpack" ] && command -v "$unpack" > /dev/null; then
        # By its own name: so pg_waldump knows where it belongs.
        plain=$unpacked/$(echo "$name" | cut -c 1-24)
        "$unpack" -dc < "$file" > "$plain" 2> /dev/null
        inside=$(digest < "$plain")
        inside_head=$(head_of "$plain")
    fi
    echo "pgdrill-archived $bytes $(digest < "$file") ${head:--} $inside ${inside_head:--} $name"
    if [ -n "$WALDUMP" ] && { [ -z "$unpack" ] || [ "$plain" != "$file" ]; }; then
        said=$("$WALDUMP" -q "$plain" 2>&1) || echo "pgdrill-refused $name $(echo "$said" | tail -n 1)"
    fi
    [ "$plain" = "$file" ] || rm -f "$plain"
done
# A file that is gone by the end was made another segment meanwhile: what was read is neither.
ls "$DATA/pg_wal" 2> /dev/null | between "$WRITTEN_AFTER" "$WRITTEN" | while read -r name; do
    file=$DATA/pg_wal/$name
    [ ${#name} = 24 ] && written=$(cat "$file" 2> /dev/null | digest) && [ -f "$file" ] &&
        echo "pgdrill-written $name $written"
done
:
