# Copies or unpacks a backup into a server's directories: each tablespace into one of its own there,
# whatever `pg_tblspc` and `tablespace_map` say, which is where the source kept it.
# from: the backup; data, spaces: the server's directories; in_place: `yes` where they hold files.
set -eu
mkdir -p "$data" "$spaces"
[ "$in_place" = no ] || find "$data" "$spaces" -mindepth 1 -delete
if archive "$from/base.tar" > /dev/null; then
    unpack "$from" "$data" "$spaces"
else
    cp -a "$from/." "$data/"
fi
cd "$data"
chmod 700 .
[ -f backup_label ] || LC_ALL=C "$controldata" -D . | grep -q 'state: *shut down$' || {
    echo 'the backup has no `backup_label` any more' >&2
    exit 1
}
for entry in pg_tblspc/*; do
    [ -d "$entry" ] || [ -L "$entry" ] || continue
    space=$spaces/${entry##*/}
    [ -d "$space" ] || cp -a "$(readlink -f "$entry")" "$space"
    rm -rf "$entry"
    ln -s "$space" "$entry"
done
[ -f tablespace_map ] || exit 0
while read -r oid place || [ -n "$oid" ]; do
    [ -n "$oid" ] || continue
    [ -d "$spaces/$oid" ] || {
        echo "\`tablespace_map\` names tablespace $oid in $place, of which the backup holds nothing" >&2
        exit 1
    }
    echo "$oid $spaces/$oid"
done < tablespace_map > tablespace_map.new
mv tablespace_map.new tablespace_map
