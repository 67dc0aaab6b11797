//! One finding for all recoveries of a drill: the worst, with each in its particulars.

use crate::{
    finding::Finding,
    measure::{RecoveryMeasures, WorkloadMeasures, rpo::Rpo, rto::Rto},
};

/// Judges each recovery, by its place, and tells the worst verdict; of equals the greatest figure,
/// which `judge` gives beside its finding.
pub(super) fn worst(
    measures: &WorkloadMeasures,
    judge: impl Fn(usize, &Rpo, &Rto) -> (u64, Finding),
) -> Finding {
    let all = &measures.recoveries;
    let judged = all.iter().enumerate();
    let judged = judged.map(|(at, one)| judge(at, &one.rpo, &one.rto));
    let judged: Vec<(u64, Finding)> = judged.collect();
    let first = judged.iter().enumerate().rev();
    let worst = first.max_by_key(|(_, (figure, finding))| (finding.verdict, *figure));
    let Some((at, (_, finding))) = worst else {
        return judge(0, &measures.rpo, &measures.rto).1;
    };
    let line =
        |(at, (_, one)): (usize, &(u64, Finding))| format!("{}: {}", name(all, at), one.message);
    let lines = judged.iter().enumerate().map(line);
    let worst = Finding {
        message: format!("{} ({})", finding.message, name(all, at)),
        ..finding.clone()
    };
    worst.details(lines.chain(finding.details.clone()))
}

/// `recovery 2 of 2, after lose-server of second`.
fn name(all: &[RecoveryMeasures], at: usize) -> String {
    let (nth, count, after) = (at + 1, all.len(), &all[at].after);
    format!("recovery {nth} of {count}, after {after}")
}
