//! Every setting: in force, in the configuration files, of single roles and databases, and by files
//! that decide what the next start is.

use std::collections::BTreeMap;

use tokio_postgres::{Client, Row};

use super::{ProbeError, ProbeTarget, ask, session};
use crate::{
    observation::{FileSetting, Observation, Setting, SettingsState},
    postgres::{
        PgError,
        configuration::of_stores,
        query::{Cells, texts},
    },
    runtime::Layout,
};

/// What a new session gets, not what the probe's own has set. To be read before the files:
/// looking at those marks settings of the session as waiting for a restart.
const IN_FORCE: &str = "SELECT lower(name), coalesce(reset_val, ''), \
     CASE source WHEN 'session' THEN '' ELSE source END, pending_restart FROM pg_settings";

/// In the order in which they are read: of two lines for one setting the last counts. What is wrong
/// with a line that is not there any more is told by its error alone.
const FILES: &str = "SELECT lower(coalesce(name, 'line ' || sourceline, error, '')), coalesce(setting, ''), \
     coalesce(sourcefile, ''), applied, coalesce(error, '') FROM pg_file_settings ORDER BY seqno";

const OF_ROLES: &str = "SELECT coalesce(quote_ident(r.rolname), 'every role'), \
     coalesce(quote_ident(d.datname), 'every database'), v.setting FROM pg_db_role_setting s \
     LEFT JOIN pg_roles r ON r.oid = s.setrole LEFT JOIN pg_database d ON d.oid = s.setdatabase \
     CROSS JOIN LATERAL unnest(s.setconfig) AS v (setting) ORDER BY 1, 2, 3";

/// Not looked for while it recovers, and so has to have them.
const AT_START: &str = "SELECT name FROM pg_ls_dir('.') AS name WHERE NOT pg_is_in_recovery() \
     AND name IN ('backup_label', 'recovery.conf', 'recovery.signal', 'standby.signal', 'tablespace_map') ORDER BY 1";

pub async fn look(target: &ProbeTarget<'_>) -> Result<Observation, ProbeError> {
    let client = session(&target.access).await?;
    let in_force = in_force(&client).await?;
    let files = ask(&client, FILES, "read the configuration files' settings").await?;
    let of_roles = of_roles(&client).await?;
    let at_start = ask(&client, AT_START, "list the data directory").await?;
    Ok(Observation::Settings(SettingsState {
        in_force,
        files: files.iter().map(file_setting).collect::<Result<_, _>>()?,
        of_roles,
        at_start: texts(&at_start)?,
        places: places(target.node.layout()),
    }))
}

/// What a new session gets.
pub async fn in_force(client: &Client) -> Result<BTreeMap<String, Setting>, ProbeError> {
    let rows = ask(client, IN_FORCE, "read the settings").await?;
    rows.iter().map(|row| Ok(setting(row)?)).collect()
}

/// What single roles and databases have otherwise.
pub async fn of_roles(client: &Client) -> Result<Vec<String>, ProbeError> {
    let doing = "read the settings of roles and databases";
    let rows = ask(client, OF_ROLES, doing).await?;
    rows.iter().map(|row| Ok(of_role(row)?)).collect()
}

fn setting(row: &Row) -> Result<(String, Setting), PgError> {
    let setting = Setting {
        value: without_secrets(row.cell(1)?),
        source: row.cell(2)?,
        pending_restart: row.cell(3)?,
    };
    Ok((row.cell(0)?, setting))
}

fn file_setting(row: &Row) -> Result<(String, FileSetting), PgError> {
    let setting = FileSetting {
        value: without_secrets(row.cell(1)?),
        file: row.cell(2)?,
        applied: row.cell(3)?,
        error: row.cell(4)?,
    };
    Ok((row.cell(0)?, setting))
}

fn of_role(row: &Row) -> Result<String, PgError> {
    let words: [String; 3] = [row.cell(0)?, row.cell(1)?, row.cell(2)?];
    Ok(without_secrets(&words.join(" ")))
}

/// Where things lie on a node, by the placeholders of a strategy.
fn places(layout: &Layout) -> BTreeMap<String, String> {
    let own = [
        ("{data}", layout.data.clone()),
        ("{tablespaces}", layout.tablespaces.clone()),
        ("{run}", layout.run.clone()),
        ("{bin}", layout.bin.clone()),
    ];
    let own = own.map(|(name, path)| (name.to_owned(), path));
    let all = own.into_iter().chain(of_stores(layout));
    all.map(|(name, path)| (name, path.display().to_string()))
        .collect()
}

/// Begins what stands in place of a value that may hold a password.
pub const NOT_SHOWN: &str = "(not shown, digest ";

/// A value that may hold a password is known again by its digest, and not shown.
pub fn without_secrets(value: &str) -> String {
    let lower = value.to_ascii_lowercase();
    let secret = ["passw", "secret"].iter().any(|word| lower.contains(word));
    // (The method that hashes passwords is no password.)
    if !secret || lower.starts_with("password_encryption") {
        return value.to_owned();
    }
    let digest = xxhash_rust::xxh3::xxh3_128(value.as_bytes());
    format!("{NOT_SHOWN}{digest:032x})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_in_a_value_is_not_shown() {
        let shown = without_secrets("host=a password=hunter2");
        assert!(!shown.contains("hunter2"));
        assert_ne!(shown, without_secrets("host=a password=hunter3"));
        assert_eq!(without_secrets("host=a"), "host=a");
    }
}
