//! What lies in a store, as the directories tell of themselves.

use crate::{
    backup::{
        BackupError, BackupKind, Site,
        chain::{self, Link, Start},
    },
    event::Listed,
    postgres::lsn,
    runtime::Exec,
};

/// Prints facts of the directories of a backup, a line each.
const LIST: &str = include_str!("list.sh");

/// The backups in a store, oldest first.
pub(in crate::backup) async fn list(
    site: &Site<'_>,
    tool: &'static str,
    store: &str,
) -> Result<Vec<Listed>, BackupError> {
    Ok(chain::listed(&links(site, tool, store).await?))
}

/// The same, each with what it says of the one that it builds on.
pub(in crate::backup) async fn links(
    site: &Site<'_>,
    tool: &'static str,
    store: &str,
) -> Result<Vec<Link>, BackupError> {
    let exec = Exec::new(["sh", "-s"])
        .stdin([super::TARS, LIST].concat())
        .env("BASE", site.stored(store, "base"))
        .env("NAME", site.name)
        .env("CONTROLDATA", site.program("pg_controldata"));
    let output = site.node.exec(exec.unrecorded()).await?;
    let links = parse(&output.text(), tool).into_iter();
    Ok(links.map(|link| link.in_store(store)).collect())
}

fn parse(text: &str, tool: &'static str) -> Vec<Link> {
    let mut all: Vec<Link> = Vec::new();
    for line in text.lines() {
        let (what, rest) = line.split_once(' ').unwrap_or((line, ""));
        if what == "backup" {
            all.extend(directory_of(rest, tool));
        } else if let Some(link) = all.last_mut() {
            told(link, what, rest);
        }
    }
    all.sort_by_key(|link| (link.listed.ended, number(&link.listed.label)));
    all
}

/// `LABEL SECONDS BYTES`
fn directory_of(text: &str, tool: &'static str) -> Option<Link> {
    let mut words = text.rsplitn(3, ' ');
    let bytes = words.next()?.parse().ok()?;
    let ended = words.next()?.parse().ok()?;
    let listed = Listed {
        label: words.next()?.to_owned(),
        tool: tool.to_owned(),
        bytes,
        ended: jiff::Timestamp::from_second(ended).ok(),
        ..Listed::default()
    };
    Some(Link {
        listed,
        ..Link::default()
    })
}

/// A line of its label, the segment that it begins with where it has none, the end of its WAL, its
/// cluster, or where the link of a tablespace leads.
fn told(link: &mut Link, what: &str, rest: &str) {
    let (name, value) = rest.split_once(": ").unwrap_or((rest, ""));
    match what {
        "label" => labelled(link, name, value),
        "redo" => link.listed.first_segment = rest.trim().to_owned(),
        "end" => link.listed.stop_lsn = lsn::parse(rest.trim()),
        "system" => link.system_identifier = rest.trim().parse().ok(),
        "space" => {
            let space = rest.split_once(' ');
            let space = space.and_then(|(oid, to)| Some((oid.parse().ok()?, to.to_owned())));
            link.tablespaces.extend(space);
        }
        _ => {}
    }
}

fn labelled(link: &mut Link, name: &str, value: &str) {
    let backup = &mut link.listed;
    match name {
        "START WAL LOCATION" => {
            backup.start_lsn = value.split(' ').next().and_then(lsn::parse);
            let file = value.split_once("(file ").map(|(_, file)| file);
            backup.first_segment = file.unwrap_or_default().trim_end_matches(')').to_owned();
        }
        "START TIME" => {
            let time = value.trim_end_matches(" UTC").replacen(' ', "T", 1) + "Z";
            backup.began = time.parse().ok();
        }
        "START TIMELINE" => backup.timeline = value.trim().parse().ok(),
        "INCREMENTAL FROM LSN" => {
            backup.kind = BackupKind::Incr;
            link.builds_on = lsn::parse(value.trim()).map(|lsn| Start { lsn, timeline: 0 });
        }
        "INCREMENTAL FROM TLI" => {
            let timeline = value.trim().parse().unwrap_or_default();
            link.builds_on = link.builds_on.map(|start| Start { timeline, ..start });
        }
        _ => {}
    }
}

/// The number at the end of a label.
fn number(label: &str) -> u64 {
    let number = label.rsplit('-').next().map(str::parse);
    number.and_then(Result::ok).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_without_a_label_begins_where_its_server_was_shut_down() {
        let text = "backup cold-1 1800000000 4096\nredo 000000010000000000000007\n\
             backup cold-2 1800000009 4096\n\
             label START WAL LOCATION: 0/9000028 (file 000000010000000000000009)\n";
        let all = chain::listed(&parse(text, "command"));
        let first: Vec<&str> = all.iter().map(|one| one.first_segment.as_str()).collect();
        let segments = ["000000010000000000000007", "000000010000000000000009"];
        assert_eq!(first, segments);
    }

    #[test]
    fn an_incremental_backup_tells_what_it_builds_on() {
        let text = "backup main-2 1800000000 4096\n\
             label START WAL LOCATION: 0/6000028 (file 000000010000000000000006)\n\
             label START TIMELINE: 1\n\
             label INCREMENTAL FROM LSN: 0/4000028\n\
             label INCREMENTAL FROM TLI: 1\n\
             space 16389 /store/base/main-2.tblspc/16389\n\
             system 7713030057481130009\nend 0/6000158\n";
        let all = parse(text, "tool");
        let [link] = all.as_slice() else {
            panic!("{all:?}");
        };
        let start = |lsn| Some(Start { lsn, timeline: 1 });
        assert_eq!(
            (link.start(), link.builds_on),
            (start(0x600_0028), start(0x400_0028))
        );
        assert_eq!(link.listed.kind, BackupKind::Incr);
        assert_eq!(link.system_identifier, Some(7_713_030_057_481_130_009));
        let space = (16389, "/store/base/main-2.tblspc/16389".to_owned());
        assert_eq!(link.tablespaces, [space]);
    }
}
