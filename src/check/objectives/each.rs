//! One finding for all recoveries of a drill: the worst, with each in its particulars.

use crate::{
    finding::Finding,
    measure::{RecoveryMeasures, WorkloadMeasures, rpo::Rpo, rto::Rto},
};

pub(super) struct Figures<'m> {
    /// Which one, from 0.
    pub recovery: usize,
    pub rpo: &'m Rpo,
    pub rto: &'m Rto,
}

/// Judges each recovery, and tells the worst verdict; of equals the greatest figure, which
/// `judge` gives beside its finding.
pub(super) fn worst(
    measures: &WorkloadMeasures,
    judge: impl Fn(&Figures<'_>) -> (u64, Finding),
) -> Finding {
    let all = &measures.recoveries;
    let Some((at, finding)) = told_of(all, &judge) else {
        let (rpo, rto) = (&measures.rpo, &measures.rto);
        return judge(&Figures {
            recovery: 0,
            rpo,
            rto,
        })
        .1;
    };
    let message = format!("{} ({})", finding.message, name(all, at));
    let lines =
        each(all, &judge).map(|(at, (_, one))| format!("{}: {}", name(all, at), one.message));
    let details: Vec<String> = lines.chain(finding.details.clone()).collect();
    Finding { message, ..finding }.details(details)
}

fn each<'m>(
    all: &'m [RecoveryMeasures],
    judge: &'m impl Fn(&Figures<'_>) -> (u64, Finding),
) -> impl Iterator<Item = (usize, (u64, Finding))> + 'm {
    let figures = all.iter().enumerate().map(|(recovery, one)| Figures {
        recovery,
        rpo: &one.rpo,
        rto: &one.rto,
    });
    figures.map(|one| (one.recovery, judge(&one)))
}

fn told_of(
    all: &[RecoveryMeasures],
    judge: &impl Fn(&Figures<'_>) -> (u64, Finding),
) -> Option<(usize, Finding)> {
    let judged = each(all, judge).collect::<Vec<_>>().into_iter().rev();
    let worst = judged.max_by_key(|(_, (figure, finding))| (finding.verdict, *figure))?;
    Some((worst.0, worst.1.1))
}

/// `recovery 2 of 2, after lose-server of second`.
fn name(all: &[RecoveryMeasures], at: usize) -> String {
    format!(
        "recovery {} of {}, after {}",
        at + 1,
        all.len(),
        all[at].after
    )
}
