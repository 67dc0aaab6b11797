# What segments of the WAL hold: a line each, the facts and then the file's name.
# Before these lines stands a function `wal_files`: name, bytes and path of each file in the archive.
# And, where that is not the file itself, `wal_content`: prints what is in a file, by its path.
# Environment: names of segments in the archive between which to look (AFTER, UP_TO), DATA with the
# same of the server's own (WRITTEN_AFTER, WRITTEN), WALDUMP: the program's path, or empty, and TMPDIR:
# where a segment has room, unpacked.
export LC_ALL=C

# Lines of standard input that begin with a segment's name: between AFTER UP_TO
between() {
    awk -v after="$1" -v up_to="$2" '
        { segment = substr($0, 1, 24) "" }
        segment ~ /^[0-9A-F]+$/ && length(segment) == 24 && segment > after "" && segment <= up_to ""'
}

# Printed in a subshell: an IFS of its own.
head_of() {
    set -- $(od -An -v -tx1 -N 40 "$1")
    IFS=
    echo "$*"
}

# Four times as fast as SHA-256 where coreutils' has no help of the processor.
digest() {
    sum=$(b2sum -l 128)
    echo "${sum%% *}"
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

opened=$(mktemp -d)
trap 'rm -rf "$opened"' EXIT

# Makes $plain of a file that is encrypted or packed, or says why it can't. What a damaged one leaves
# is no such failure: it is held against what the server wrote.
open_up() {
    content=$file
    if command -v wal_content > /dev/null; then
        content=$opened/content
        wal_content "$file" > "$content" || return
    fi
    unpack=$(unpacker "$(head_of "$content")")
    if [ -n "$unpack" ]; then
        command -v "$unpack" > /dev/null || { echo "the node has no $unpack" && return 1; }
        "$unpack" -dc < "$content" > "$plain" 2> /dev/null || :
    elif [ "$content" != "$file" ]; then
        mv "$content" "$plain"
    fi
}

wal_files | between "$AFTER" "$UP_TO" | while read -r name bytes file; do
    [ -f "$file" ] || continue
    head=$(head_of "$file")
    inside=-
    inside_head=-
    # By its own name: so pg_waldump knows where it belongs.
    plain=$opened/${name%"${name#????????????????????????}"}
    why=$(open_up 2>&1) && is_open=yes || is_open=
    if [ -f "$plain" ]; then
        inside=$(digest < "$plain")
        inside_head=$(head_of "$plain")
    else
        plain=$file
    fi
    echo "pgdrill-archived $bytes $(digest < "$file") ${head:--} $inside ${inside_head:--} $name"
    if [ -z "$is_open" ]; then
        echo "pgdrill-closed $name $(echo "$why" | tail -n 1)"
    elif [ -n "$WALDUMP" ]; then
        said=$("$WALDUMP" -q "$plain" 2>&1) || echo "pgdrill-refused $name $(echo "$said" | tail -n 1)"
    fi
    rm -f "$opened"/*
done
# A file that is gone by the end was made another segment meanwhile: what was read is neither.
ls "$DATA/pg_wal" 2> /dev/null | between "$WRITTEN_AFTER" "$WRITTEN" | while read -r name; do
    file=$DATA/pg_wal/$name
    [ ${#name} = 24 ] && written=$(cat "$file" 2> /dev/null | digest) && [ -f "$file" ] &&
        echo "pgdrill-written $name $written"
done
:
