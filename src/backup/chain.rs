//! Chains of backups: a full one, and incremental ones that build on each other. What a backup builds
//! on it says itself, by where that one begins, whatever their directories are called.

use std::fmt;

use crate::{event::Listed, postgres::lsn};

/// Where a backup begins: by that an incremental one names the one that it builds on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Start {
    pub lsn: u64,
    pub timeline: u32,
}

impl fmt::Display for Start {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.timeline {
            0 | 1 => f.write_str(&lsn::show(self.lsn)),
            later => write!(f, "{} on timeline {later}", lsn::show(self.lsn)),
        }
    }
}

/// A backup as it tells of itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Link {
    pub listed: Listed,
    /// Where the backup begins that it builds on; none of a full one.
    pub builds_on: Option<Start>,
    /// Its cluster's, as its manifest has it.
    pub system_identifier: Option<u64>,
    /// OIDs of its tablespaces, and where their links lead.
    pub tablespaces: Vec<(u32, String)>,
}

impl Link {
    pub fn in_store(self, store: &str) -> Self {
        Self {
            listed: self.listed.in_store(store),
            ..self
        }
    }

    /// Where it begins, if its label says so.
    pub fn start(&self) -> Option<Start> {
        Some(Start {
            lsn: self.listed.start_lsn?,
            timeline: self.listed.timeline?,
        })
    }

    fn named(&self) -> String {
        let start = self.start().map(|start| format!(" at {start}"));
        format!("`{}`{}", self.listed.label, start.unwrap_or_default())
    }
}

/// What a restore of the backup of this label takes, the full one first.
///
/// # Errors
/// Which link is missing, or is another cluster's.
pub fn chain<'l>(all: &'l [Link], label: &str) -> Result<Vec<&'l Link>, String> {
    let newest = all.iter().find(|link| link.listed.label == label);
    let mut link = newest.ok_or_else(|| format!("`{label}` is not in its store"))?;
    let mut chain = vec![link];
    while let Some(start) = link.builds_on {
        link = parent(all, link, start)?;
        chain.push(link);
    }
    chain.reverse();
    Ok(chain)
}

/// The backup that another one builds on, which begins at `start`.
fn parent<'l>(all: &'l [Link], child: &Link, start: Start) -> Result<&'l Link, String> {
    let label = &child.listed.label;
    if child.start().is_some_and(|own| own.lsn <= start.lsn) {
        return Err(format!(
            "`{label}` builds on what is not before it: {start}"
        ));
    }
    let mut there = all.iter().filter(|link| link.start() == Some(start));
    let own = |link: &&Link| link.system_identifier == child.system_identifier;
    match (there.clone().find(own), there.next()) {
        (Some(parent), _) => Ok(parent),
        (None, Some(foreign)) => Err(format!(
            "{} is of the cluster with system identifier {}, and `{label}`, which builds on it, of {}",
            foreign.named(),
            identifier(foreign),
            identifier(child)
        )),
        (None, None) => Err(missing(all, child, start)),
    }
}

fn missing(all: &[Link], child: &Link, start: Start) -> String {
    let others = all.iter().filter(|link| link.listed != child.listed);
    let told = |link: &Link| match link.system_identifier == child.system_identifier {
        true => link.named(),
        false => format!(
            "{} of the cluster with system identifier {}, not {}",
            link.named(),
            identifier(link),
            identifier(child)
        ),
    };
    let there: Vec<String> = others.map(told).collect();
    let there = match there.is_empty() {
        true => "nothing else".to_owned(),
        false => there.join(", "),
    };
    format!(
        "`{}` builds on the backup that begins at {start}, which is not in its store; there is {there}",
        child.listed.label
    )
}

fn identifier(link: &Link) -> String {
    let known = link.system_identifier;
    known.map_or("unknown".to_owned(), |number| number.to_string())
}

/// Each as it is listed: with the one that it builds on, and the bytes of all that it takes.
pub fn listed(all: &[Link]) -> Vec<Listed> {
    let one = |link: &Link| {
        let chain = chain(all, &link.listed.label).unwrap_or_default();
        let own = link.listed.clone();
        let parent = link
            .builds_on
            .and_then(|start| parent(all, link, start).ok());
        Listed {
            parent: parent.map(|parent| parent.listed.label.clone()),
            bytes: match chain.is_empty() {
                true => own.bytes,
                false => chain.iter().map(|link| link.listed.bytes).sum(),
            },
            ..own
        }
    };
    all.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(label: &str, lsn: u64, builds_on: Option<u64>) -> Link {
        let start = |lsn| Start { lsn, timeline: 1 };
        Link {
            listed: Listed {
                label: label.into(),
                start_lsn: Some(lsn),
                timeline: Some(1),
                bytes: 10,
                ..Listed::default()
            },
            builds_on: builds_on.map(start),
            system_identifier: Some(7),
            tablespaces: Vec::new(),
        }
    }

    fn three() -> Vec<Link> {
        vec![
            link("main-1", 0x200_0028, None),
            link("main-2", 0x400_0028, Some(0x200_0028)),
            link("main-3", 0x600_0028, Some(0x400_0028)),
        ]
    }

    fn labels(all: &[Link], label: &str) -> Result<Vec<String>, String> {
        let chain = chain(all, label)?.into_iter();
        Ok(chain.map(|link| link.listed.label.clone()).collect())
    }

    #[test]
    fn a_chain_is_found_by_where_its_links_begin() {
        let mut links = three();
        assert_eq!(labels(&links, "main-1").unwrap(), ["main-1"]);
        let all = ["main-1", "main-2", "main-3"];
        assert_eq!(labels(&links, "main-3").unwrap(), all);
        // Their names say nothing.
        links[1].listed.label = "main-9".into();
        assert_eq!(labels(&links, "main-3").unwrap()[1], "main-9");
        let listed = listed(&links);
        assert_eq!(listed[2].parent.as_deref(), Some("main-9"));
        assert_eq!((listed[0].parent.as_deref(), listed[2].bytes), (None, 30));
    }

    #[test]
    fn a_missing_link_is_named() {
        let mut links = three();
        links.remove(1);
        let why = labels(&links, "main-3").unwrap_err();
        insta::assert_snapshot!(why, @"`main-3` builds on the backup that begins at 0/4000028, which is not in its store; there is `main-1` at 0/2000028");
        let listed = listed(&links);
        assert_eq!((listed[1].parent.as_deref(), listed[1].bytes), (None, 10));
        // One of another timeline that begins there is another one.
        let mut links = three();
        links[1].listed.timeline = Some(2);
        assert!(labels(&links, "main-3").is_err());
    }

    #[test]
    fn a_foreign_link_is_named() {
        let mut links = three();
        links[1].system_identifier = Some(8);
        let why = labels(&links, "main-3").unwrap_err();
        insta::assert_snapshot!(why, @"`main-2` at 0/4000028 is of the cluster with system identifier 8, and `main-3`, which builds on it, of 7");
        links[1].listed.start_lsn = Some(0x500_0028);
        let why = labels(&links, "main-3").unwrap_err();
        insta::assert_snapshot!(why, @"`main-3` builds on the backup that begins at 0/4000028, which is not in its store; there is `main-1` at 0/2000028, `main-2` at 0/5000028 of the cluster with system identifier 8, not 7");
    }

    #[test]
    fn a_chain_that_leads_to_itself_is_none() {
        let links = [link("main-1", 0x200_0028, Some(0x200_0028))];
        assert!(
            labels(&links, "main-1")
                .unwrap_err()
                .contains("not before it")
        );
    }
}
