//! Fetching a full backup: its files into the data directory, each tablespace's into a place of
//! the new server's own.
//!
//! What `pg_tblspc` and `tablespace_map` say is where the *source* kept its tablespaces: a server
//! begun so would run in another's directories.

use std::time::Duration;

use crate::{
    backup,
    event::BackupRecord,
    history::{Bytes, Progress, Recorder},
    postgres::{Server, ServerError},
    runtime::{Exec, exec::quoted},
};

/// Copies a backup into the directories of a new server.
///
/// # Errors
/// When the backup is not what it was when it was taken, or the node refuses.
pub(super) async fn fetch(
    server: &Server,
    backup: &BackupRecord,
    deadline: Duration,
    recorder: &Recorder,
) -> Result<(), ServerError> {
    let layout = server.node.layout();
    let exec = Exec::shell(script(server, backup)).within(deadline);
    let progress = Progress::begin(recorder, "fetch");
    let total = backup.bytes;
    let paths = format!("{} {}", layout.data.display(), layout.tablespaces.display());
    let fetched = async || {
        let done = backup::base::size(server, &paths).await.ok()?;
        Some(Bytes { done, total })
    };
    progress.during(server.node.exec(exec), fetched).await?;
    progress.end(total);
    Ok(())
}

fn script(server: &Server, backup: &BackupRecord) -> String {
    let layout = server.node.layout();
    let from = layout.store.join("base").join(&backup.label);
    let path = |path: &std::path::Path| quoted(&path.display().to_string());
    let label = match backup.labelled {
        true => {
            "[ -f backup_label ] || { echo 'the backup has no `backup_label` any more' >&2; exit 1; }\n"
        }
        false => "",
    };
    format!(
        "set -eu\n\
         data={data} spaces={spaces}\n\
         mkdir -p \"$data\" \"$spaces\"\n\
         cp -a {from}/. \"$data/\"\n\
         cd \"$data\"\n\
         chmod 700 .\n\
         {label}\
         for entry in pg_tblspc/*; do\n\
         [ -d \"$entry\" ] || [ -L \"$entry\" ] || continue\n\
         space=$spaces/${{entry##*/}}\n\
         cp -a \"$(readlink -f \"$entry\")\" \"$space\"\n\
         rm -rf \"$entry\"\n\
         ln -s \"$space\" \"$entry\"\n\
         done\n\
         [ -f tablespace_map ] || exit 0\n\
         while read -r oid place || [ -n \"$oid\" ]; do\n\
         [ -z \"$oid\" ] && continue\n\
         [ -d \"$spaces/$oid\" ] || {{ echo \"\\`tablespace_map\\` names tablespace $oid in $place, of which the backup holds nothing\" >&2; exit 1; }}\n\
         echo \"$oid $spaces/$oid\"\n\
         done < tablespace_map > tablespace_map.new\n\
         mv tablespace_map.new tablespace_map\n",
        data = path(&layout.data),
        spaces = path(&layout.tablespaces),
        from = path(&from),
    )
}

/// That every tablespace of a restored server lies in a place of its own.
///
/// # Errors
/// Which does not, and where it lies.
pub(super) async fn in_own_places(server: &Server) -> Result<(), ServerError> {
    let spaces = backup::tablespaces::of(server).await?;
    let own = server.node.layout().tablespaces.display().to_string() + "/";
    let foreign = spaces
        .iter()
        .find(|space| !space.location.starts_with(&own));
    foreign.map_or(Ok(()), |space| {
        Err(ServerError::Foreign {
            server: server.name.clone(),
            tablespace: space.name.clone(),
            location: space.location.clone(),
        })
    })
}
