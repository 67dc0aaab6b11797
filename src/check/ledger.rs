//! `ledger.<workload>`: what was acknowledged beside what is there.
//!
//! Losses before the boundary are judged against the objectives `rpo` and `lost`; without
//! one, nothing allows a loss, and it fails here. Everything else that should
//! not be fails here: damaged, resurrected, unexpected, holes, lost after the boundary.

use super::{any, counted};
use crate::{
    finding::{AtStake, Finding},
    measure::account::{Account, Loss, RowVersion, Tally},
};

pub(super) fn check(workload: &str, account: &Account, allowed_elsewhere: bool) -> Finding {
    let id = format!("ledger.{workload}");
    let tally = &account.tally;
    let wrong = wrong(tally, allowed_elsewhere);
    if !wrong.is_empty() {
        return Finding::fail(id, wrong.join(", ")).details(details(account));
    }
    if tally.ok == 0 {
        return Finding::unknown(id, "no transaction was ever acknowledged");
    }
    Finding::pass(id, at_stake(tally), balance(tally)).details(details(account))
}

fn at_stake(tally: &Tally) -> AtStake {
    let how = "absent or other than written";
    any(tally.kept as usize, "acknowledged write", how)
}

fn balance(tally: &Tally) -> String {
    let mut text = format!("{} acknowledged writes are there", tally.kept);
    let extras = [
        (tally.lost, "lost before the boundary (see rpo)"),
        (tally.discarded, "discarded with the old server"),
        (tally.recovered_info, "present though the answer was lost"),
    ];
    for (count, what) in extras.iter().filter(|(count, _)| *count > 0) {
        text.push_str(&format!(", {count} {what}"));
    }
    text
}

fn wrong(tally: &Tally, allowed_elsewhere: bool) -> Vec<String> {
    let unallowed = if allowed_elsewhere { 0 } else { tally.lost };
    counted([
        (
            tally.holes,
            "lost in the middle, while later commits survive (holes)",
        ),
        (tally.damaged, "damaged"),
        (tally.resurrected, "present that must not be (resurrected)"),
        (tally.unexpected, "present that nobody wrote (unexpected)"),
        (tally.lost_after, "acknowledged after the boundary and lost"),
        (unallowed, "lost, and no RPO objective allows it"),
    ])
}

fn details(account: &Account) -> Vec<String> {
    let row = |loss: &Loss| (loss.key, loss.version);
    let lost_after = account.lost_after.iter().take(50).map(row).collect();
    let lost: Vec<RowVersion> = account.lost().take(50).map(row).collect();
    let sets = [
        ("hole", account.holes.clone()),
        ("damaged", account.damaged.clone()),
        ("resurrected", account.resurrected.clone()),
        ("unexpected", account.unexpected.clone()),
        ("lost after the boundary", lost_after),
        ("lost", lost),
    ];
    let line = |what: &str, (key, version): RowVersion| {
        if key.is_of_nobody() {
            return format!(
                "{what}: a row of table {} whose key no client has",
                key.table()
            );
        }
        format!(
            "{what}: client {}, table {}, row {}, version {version}",
            key.client(),
            key.table(),
            key.0 & ((1 << 40) - 1)
        )
    };
    sets.iter()
        .flat_map(|(what, rows)| rows.iter().map(|row| line(what, *row)))
        .collect()
}
