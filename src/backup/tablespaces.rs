//! The tablespaces of a server, and where a backup keeps each: `<label>.tblspc/<oid>`, beside it.
//!
//! The directory is named by OID, for two tablespaces may lie in directories of one name.

use crate::{
    postgres::{PgError, Server, ServerError, query::Cells},
    runtime::exec::quoted,
};

/// A tablespace with a directory of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tablespace {
    /// OID: the name of its link in `pg_tblspc`.
    pub oid: u32,
    pub name: String,
    /// Directory, absolute.
    pub location: String,
}

/// Those of a server, without `pg_default` and `pg_global`.
///
/// # Errors
/// When it can't be asked.
pub async fn of(server: &Server) -> Result<Vec<Tablespace>, ServerError> {
    const QUERY: &str = "SELECT oid, spcname::text, pg_tablespace_location(oid) FROM pg_tablespace \
         WHERE pg_tablespace_location(oid) LIKE '/%' ORDER BY oid";
    let client = server.connect().await?;
    let rows = client.query(QUERY, &[]).await;
    let rows = rows.map_err(|error| PgError::new("read the tablespaces", &error))?;
    let space = |row: &tokio_postgres::Row| {
        Ok(Tablespace {
            oid: row.cell(0)?,
            name: row.cell(1)?,
            location: row.cell(2)?,
        })
    };
    rows.iter().map(space).collect()
}

/// The options with which `pg_basebackup` and `pg_combinebackup` lay each into a directory of its own
/// below this one: its OID, and where it is now.
pub fn mapping<'a>(
    tablespaces: impl IntoIterator<Item = (u32, &'a str)>,
    below: &str,
) -> Vec<String> {
    let escaped = |path: &str| path.replace('=', r"\=");
    let option = |(oid, location): (u32, &str)| {
        let to = format!("{below}/{oid}");
        [
            "-T".into(),
            format!("{}={}", escaped(location), escaped(&to)),
        ]
    };
    tablespaces.into_iter().flat_map(option).collect()
}

/// Those with which `pg_basebackup` lays each of a server's beside a backup.
pub fn beside(tablespaces: &[Tablespace], directory: &str) -> Vec<String> {
    let spaces = tablespaces.iter();
    let spaces = spaces.map(|space| (space.oid, space.location.as_str()));
    mapping(spaces, &format!("{directory}.tblspc"))
}

/// The same as words of a shell command.
pub fn beside_words(tablespaces: &[Tablespace], directory: &str) -> String {
    let options = beside(tablespaces, directory);
    let words: Vec<String> = options.iter().map(|word| quoted(word)).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_of_one_name_or_with_any_character_stay_apart() {
        let space = |oid: u32, location: &str| Tablespace {
            oid,
            name: format!("space {oid}"),
            location: location.into(),
        };
        let spaces = [
            space(1, "/a/fast"),
            space(2, "/b/fast"),
            space(3, "/c/x,y = z"),
        ];
        assert_eq!(
            beside_words(&spaces, "/store/main-1"),
            r"-T /a/fast=/store/main-1.tblspc/1 -T /b/fast=/store/main-1.tblspc/2 -T '/c/x,y \= z=/store/main-1.tblspc/3'"
        );
    }
}
