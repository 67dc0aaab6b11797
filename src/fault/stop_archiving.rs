//! A WAL archive that refuses everything: nobody may write into it any more. It takes nothing
//! from clients by itself.

use std::time::Duration;

use super::*;
use crate::postgres::DATABASE_TEMPLATE;

/// The next switched segment tells soon.
const SHOWN: Duration = Duration::from_secs(30);

pub(super) struct StopArchiving;

impl Kind for StopArchiving {
    fn facts(&self) -> Facts<'_> {
        Facts {
            needs_archive: true,
            is_outage: false,
            heals: true,
            ..Facts::of_server()
        }
    }

    async fn inject(&self, injection: &Injection<'_>) -> Result<FaultRecord, FaultError> {
        let server = &injection.server.within(DATABASE_TEMPLATE);
        let archive = places(injection);
        let failures = server
            .value("select failed_count from pg_stat_archiver")
            .await?;
        let begun = injection.begin().await?;
        permit(server, &archive, "u-w").await?;
        let record = injection.end(begun);
        let effect = fails(server, &archive, &failures).await?;
        Ok(FaultRecord {
            target: format!("the WAL archive of {}", server.name),
            ..effect.of(record)
        })
    }

    async fn heal(&self, injection: &Injection<'_>) -> Result<(), FaultError> {
        let server = &injection.server.within(DATABASE_TEMPLATE);
        let count = "select archived_count from pg_stat_archiver";
        let before = server.value(count).await?;
        permit(server, &places(injection), "u+w").await?;
        server.sql("select pg_switch_wal()").await?;
        let query = format!("select archived_count > {before} from pg_stat_archiver");
        let what = "an archive_command that succeeds again";
        Ok(server.wait_until(what, &query, SHOWN).await?)
    }
}

/// The archive's directories, in every store.
fn places(injection: &Injection<'_>) -> Vec<String> {
    let layout = injection.server.node.layout();
    let archive = injection.archive;
    archive.map_or_else(Vec::new, |archive| archive.places(layout))
}

/// Who writes there is the server's own user.
async fn permit(server: &Server, archive: &[String], mode: &str) -> Result<(), FaultError> {
    let find = ["find"]
        .into_iter()
        .chain(archive.iter().map(String::as_str));
    let directories = ["-type", "d", "-exec", "chmod", mode, "{}", "+"];
    server.node.exec(Exec::new(find.chain(directories))).await?;
    Ok(())
}

async fn fails(server: &Server, archive: &[String], before: &str) -> Result<Effect, FaultError> {
    server.sql("select pg_switch_wal()").await?;
    let query = format!("select failed_count > {before} from pg_stat_archiver");
    let waiting = server.wait_until("a failing archive_command", &query, SHOWN);
    let shown = waiting.await;
    Ok(Effect {
        took: shown.is_ok(),
        evidence: match shown {
            Ok(()) => format!(
                "{} can't be written, and pg_stat_archiver.failed_count rose above {before}",
                archive.join(" and ")
            ),
            Err(error) => error.to_string(),
        },
    })
}
