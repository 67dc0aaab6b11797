# What pg_verifybackup says of the backups that are the arguments, up to the first that is not good; of
# one in tar format once it is unpacked.
# scratch: a directory to unpack into; wal: `held` where they have their WAL, else `perhaps`;
# verifybackup: the program.
set -eu
for backup; do
    from=$backup
    if archive "$from/base.tar" > /dev/null; then
        trap 'rm -rf "$scratch"' EXIT
        rm -rf "$scratch"
        mkdir -p "$scratch/data" "$scratch/tablespaces"
        unpack "$from" "$scratch/data" "$scratch/tablespaces"
        from=$scratch/data
    fi
    no_wal=
    [ "$wal" = held ] || ls "$from/pg_wal" | grep -Eq '^[0-9A-F]{24}$' || no_wal=-n
    said=$("$verifybackup" -q $no_wal "$from" 2>&1) || {
        echo "$said" | head -n 5 | sed "s/^/\`${backup##*/}\`: /" >&2
        exit 1
    }
done
