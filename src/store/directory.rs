//! A directory that every node of the drill sees: a volume of its own on `docker`.

use std::{path::Path, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Client, Damaged, Damaging, Place, Stored, Which};
use crate::{
    runtime::{Exec, RuntimeError},
    units::Bytes,
};

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct Directory {
    /// How much it holds (`docker`; it lies in memory then). Default: as much as the disk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    size: Option<Bytes>,
}

/// One that holds as much as the disk.
pub const UNLIMITED: Directory = Directory { size: None };

/// Writes until there is no room. A store that takes nothing at all is broken, not full.
const FILL: &str = r#"cd "$STORE" || exit 1
cat /dev/zero > .filler 2> /dev/null
[ -s .filler ] || { echo 'nothing could be written into it before, either' >&2; exit 1; }
! echo x >> .filler 2> /dev/null || { echo 'it takes more still' >&2; exit 1; }
"#;

/// Takes the filling away, and shows that there is room.
const RELIEVE: &str = r#"set -eu
cd "$STORE"
rm .filler
echo x > .filler
rm .filler
"#;

/// What it holds: a line for each file, and one for each hash. The script that archives WAL lies in
/// the local store and is not of it.
const HELD: &str = r#"cd "$STORE" || exit 1
bytes=$(du -sbc "$@" 2> /dev/null | tail -n 1 | cut -f 1)
for path; do
    [ -e "$path" ] || continue
    find "$path" -type f ! -path ./archive-wal ! -path ./.filler -printf '%s %p\n'
    [ "$bytes" -gt "$HASHED" ] || find "$path" -type f -exec sha256sum {} +
done
"#;

/// Copies, and reads both. A link into the first store becomes one into this one; a copy that is
/// not complete bears no backup's name.
const PUT: &str = r#"set -eu
cd "$FROM"
for path; do
    [ -e "$path" ] || continue
    new=$STORE/$(dirname "$path")/.$(basename "$path").new
    rm -rf "$new"
    mkdir -p "$(dirname "$new")"
    cp -a "$path" "$new"
    sums=$(cd "$path" && find . -type f -exec sha256sum {} +)
    [ -z "$sums" ] || (cd "$new" && echo "$sums" | sha256sum --quiet -c -)
    find "$new" -type l | while read -r link; do
        to=$(readlink "$link")
        case $to in "$FROM"/*) ln -sfn "$STORE/${to#"$FROM"/}" "$link" ;; esac
    done
    mv "$new" "$STORE/$path"
done
"#;

/// What is archived meanwhile can keep a directory from being empty: then once more.
const LOSE: &str = r#"cd "$STORE" || exit 1
empty() { find . -mindepth 1 ! -path ./archive-wal ! -path ./wal -delete; }
empty 2> /dev/null || empty
"#;

/// The files that are meant, and what becomes of each: a line with its hash before and after. Bytes
/// in its midst become the next ones. What is archived meanwhile is not looked at.
const DAMAGE: &str = r#"cd "$STORE" || exit 1
hash() { [ ! -e "$1" ] || sha256sum < "$1" | cut -c -64; }
find . -type f -path "./$FILES" -printf "$BY %P\n" | sort -n | tail -n "$LAST" | cut -d ' ' -f 2- |
while read -r file; do
    before=$(hash "$file")
    midst=$(($(stat -c %s "$file") / 2))
    case $DAMAGE in
    removed) rm "$file" ;;
    truncated) truncate -s $midst "$file" ;;
    corrupted)
        dd if="$file" bs=1 skip=$midst count=16 status=none |
            LC_ALL=C tr '\000-\377' '\001-\377\000' |
            dd of="$file" bs=1 seek=$midst conv=notrunc status=none
        ;;
    esac || exit 1
    echo "$before,$(hash "$file"),$file"
done
"#;

impl Client for Directory {
    async fn held(
        &self,
        place: Place<'_>,
        below: &[String],
        hashed: u64,
    ) -> Result<Vec<Stored>, RuntimeError> {
        let exec = script(place, HELD, below).env("HASHED", hashed.to_string());
        let text = place.node.exec(exec.unrecorded()).await?.text();
        Ok(stored(&text))
    }

    async fn put(
        &self,
        place: Place<'_>,
        from: &Path,
        paths: &[String],
        within: Duration,
    ) -> Result<(), RuntimeError> {
        let exec = script(place, PUT, paths).env("FROM", from.display().to_string());
        place.node.exec(exec.within(within)).await.map(drop)
    }

    async fn lose(&self, place: Place<'_>) -> Result<(), RuntimeError> {
        place.node.exec(script(place, LOSE, &[])).await.map(drop)
    }

    async fn close(&self, place: Place<'_>) -> Result<(), RuntimeError> {
        permit(place, "000").await
    }

    async fn open(&self, place: Place<'_>) -> Result<(), RuntimeError> {
        permit(place, "700").await
    }

    async fn damage(
        &self,
        place: Place<'_>,
        damaging: Damaging<'_>,
    ) -> Result<Vec<Damaged>, RuntimeError> {
        let (by, last) = match damaging.which {
            Which::All => ("0", "+1"),
            Which::Newest => ("%T@", "1"),
            Which::Largest => ("%s", "1"),
        };
        let exec = script(place, DAMAGE, &[])
            .env("FILES", damaging.files)
            .env("BY", by)
            .env("LAST", last)
            .env("DAMAGE", damaging.are.word());
        let text = place.node.exec(exec).await?.text();
        Ok(text.lines().filter_map(damaged).collect())
    }

    fn size(&self) -> Bytes {
        self.size.unwrap_or_default()
    }

    async fn fill(&self, place: Place<'_>) -> Result<(), RuntimeError> {
        place.node.exec(script(place, FILL, &[])).await.map(drop)
    }

    async fn relieve(&self, place: Place<'_>) -> Result<(), RuntimeError> {
        place.node.exec(script(place, RELIEVE, &[])).await.map(drop)
    }
}

fn script(place: Place<'_>, script: &str, paths: &[String]) -> Exec {
    let words = ["sh", "-s", "--"].map(str::to_owned);
    let exec = Exec::new(words.into_iter().chain(paths.iter().cloned()));
    exec.stdin(script).env("STORE", place.path())
}

/// The directory is the node's user's own.
async fn permit(place: Place<'_>, mode: &str) -> Result<(), RuntimeError> {
    let exec = Exec::new(["chmod", mode, &place.path()]);
    place.node.exec(exec).await.map(drop)
}

fn damaged(line: &str) -> Option<Damaged> {
    let mut fields = line.splitn(3, ',').map(str::to_owned);
    Some(Damaged {
        before: fields.next()?,
        after: fields.next()?,
        path: fields.next()?,
    })
}

fn stored(text: &str) -> Vec<Stored> {
    let hash = |line: &str| {
        line.get(..64)?
            .bytes()
            .all(|b| b.is_ascii_hexdigit())
            .then_some(64)
    };
    let (hashes, files): (Vec<&str>, Vec<&str>) =
        text.lines().partition(|line| hash(line).is_some());
    let hashes = hashes.iter().map(|line| (&line[66..], &line[..64]));
    let hashes: std::collections::BTreeMap<&str, &str> = hashes.collect();
    let file = |line: &&str| {
        let (bytes, path) = line.split_once(' ')?;
        Some(Stored {
            path: path.to_owned(),
            bytes: bytes.parse().ok()?,
            sha256: hashes.get(path).copied().unwrap_or_default().to_owned(),
        })
    };
    let mut files: Vec<Stored> = files.iter().filter_map(file).collect();
    files.sort();
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_told_with_its_hash_where_there_is_one() {
        let hash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let text = format!("7 base/main-1/b c\n0 base/main-1/a\n{hash}  base/main-1/a\n");
        let file = |path: &str, bytes, sha256: &str| Stored {
            path: path.into(),
            bytes,
            sha256: sha256.into(),
        };
        let files = [
            file("base/main-1/a", 0, hash),
            file("base/main-1/b c", 7, ""),
        ];
        assert_eq!(stored(&text), files);
    }

    #[test]
    fn a_damaged_file_is_told_with_both_its_hashes() {
        let file = damaged("e3b0,,archive/a, b").unwrap();
        assert_eq!((file.before.as_str(), file.after.as_str()), ("e3b0", ""));
        assert_eq!(file.path, "archive/a, b");
    }
}
