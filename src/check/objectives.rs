//! `rpo.*`, `lost.*`, `projected-rpo.*`, `rto.*`, `outage.*`: the figures against the objectives.
//!
//! RPO objectives are divided by the scale before they are compared with a figure of the
//! drill; both figures are told. RTO and outage are work and never scaled. Of several recoveries
//! each must meet them; the worst is told, and each in the particulars.

mod each;
mod since;

use super::{Context, recovery};
use crate::{
    finding::{AtStake, Finding, Verdict},
    measure::{
        WorkloadMeasures,
        outage::Outage,
        projected::Projected,
        recovery::Recovery,
        rpo::{Rpo, demanded_us, scaled, time},
        rto::{Rto, phase_word},
    },
    units::{Bytes, Time},
};

pub(super) fn check(context: &Context<'_>, measures: &WorkloadMeasures) -> Vec<Finding> {
    let name = &measures.workload;
    let Some(objectives) = context.history.plan.objectives.get(name) else {
        return Vec::new();
    };
    let rpo = objectives.rpo.map(|demanded| {
        [
            each::worst(measures, |at, one, _| {
                let measured = one.measured_us.unwrap_or(0);
                (measured, rpo(context, name, at, one, demanded))
            }),
            projected(context, name, &measures.projected, demanded),
        ]
    });
    let lost = objectives.lost.map(|allowed| {
        each::worst(measures, |_, one, _| {
            let kept = measures.ledger.kept;
            let finding = transactions(context, name, one, kept, allowed);
            (one.transactions, finding)
        })
    });
    let rto = objectives.rto.map(|demanded| {
        each::worst(measures, |_, _, one| {
            let measured = one.with_people_us().unwrap_or(0);
            (measured, rto(context, name, one, demanded))
        })
    });
    let outage = objectives
        .outage
        .map(|demanded| outage(context, name, &measures.outage, demanded));
    let rpo = rpo.into_iter().flatten();
    rpo.chain(lost).chain(rto).chain(outage).collect()
}

fn rpo(context: &Context<'_>, name: &str, at: usize, rpo: &Rpo, objective: Time) -> Finding {
    let id = format!("rpo.{name}");
    let Some(measured) = rpo.measured_us else {
        return context.unknown(id, format!("not measured: {}", rpo.unknown));
    };
    let message = format!(
        "lost {}{}, objective {}",
        lost(rpo, measured),
        at_stake(rpo),
        both(objective, rpo.scale)
    );
    let mut details = rpo_details(rpo);
    if rpo.transactions > 0 {
        let fault = context.recoveries.get(at).and_then(Recovery::fault);
        let since = fault.map(|fault| since::of(context, fault, measured));
        details.extend(since.into_iter().flatten());
    }
    let demanded = demanded_us(objective, rpo.scale);
    if measured > demanded {
        return Finding::fail(id, message).details(details);
    }
    let could_miss = rpo.at_stake_us.is_some_and(|all| all > demanded);
    if rpo.transactions > 0 && !could_miss {
        let why = too_little(rpo, measured, objective);
        return context.unknown(id, why).details(details);
    }
    let at_stake = match could_miss {
        true => format!("a lost write older than {}", both(objective, rpo.scale)),
        false => "any lost write: too little is at stake for a loss to pass".into(),
    };
    Finding::pass(id, AtStake::always(at_stake), message).details(details)
}

/// A loss in a drill that put less at stake than the objective allows: a pass that could not
/// have been a fail is none.
fn too_little(rpo: &Rpo, measured: u64, objective: Time) -> String {
    let lost = lost(rpo, measured);
    format!(
        "lost {lost} of the {} at stake, objective {}: lengthen `run` or raise `scale`",
        time(rpo.at_stake_us.unwrap_or_default()),
        both(objective, rpo.scale)
    )
}

/// The transactions lost, whatever their age: no resolution in time is needed to count them,
/// but a boundary, and a write before it.
fn transactions(context: &Context<'_>, name: &str, rpo: &Rpo, kept: u64, allowed: u64) -> Finding {
    let id = format!("lost.{name}");
    if rpo.at_stake_us.is_none() {
        return context.unknown(id, format!("not measured: {}", rpo.unknown));
    }
    let message = format!(
        "{} lost, {kept} kept, objective {allowed}",
        super::count(rpo.transactions as usize, "acknowledged transaction")
    );
    if rpo.transactions <= allowed {
        let beyond = (rpo.transactions + kept).saturating_sub(allowed);
        let at_stake = super::any(beyond as usize, "more write", "lost");
        return Finding::pass(id, at_stake, message);
    }
    Finding::fail(id, message).details(rpo_details(rpo))
}

/// `1s × 60 = 1m (3 transactions)`, or `nothing`.
fn lost(rpo: &Rpo, measured: u64) -> String {
    if rpo.transactions == 0 {
        return "nothing".into();
    }
    let transactions = super::count(rpo.transactions as usize, "transaction");
    format!("{} ({transactions})", scaled(measured, rpo.scale))
}

/// What losing everything would have come to.
fn at_stake(rpo: &Rpo) -> String {
    let all = rpo.at_stake_us.map(time);
    all.map_or_else(String::new, |all| format!(" of {all} written"))
}

fn both(objective: Time, scale: u32) -> String {
    if scale <= 1 {
        return objective.to_string();
    }
    format!(
        "{objective} = {} in the drill",
        time(demanded_us(objective, scale))
    )
}

fn rpo_details(rpo: &Rpo) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(bytes) = rpo.wal_bytes.filter(|_| rpo.transactions > 0) {
        lines.push(format!(
            "WAL from the oldest lost commit to the boundary: {}",
            Bytes(bytes)
        ));
    }
    if let Some(worst) = &rpo.worst_tenant {
        let transactions = super::count(worst.transactions as usize, "transaction");
        lines.push(format!(
            "worst tenant {}: {}, {transactions}",
            worst.tenant,
            scaled(worst.us, rpo.scale)
        ));
    }
    if let Some(resolution) = rpo.resolution_us {
        let text = "last acknowledged write before the boundary";
        lines.push(format!("{text}: {} before it", time(resolution)));
    }
    lines
}

fn projected(context: &Context<'_>, name: &str, projected: &Projected, objective: Time) -> Finding {
    let id = format!("projected-rpo.{name}");
    let why = &projected.arithmetic;
    if projected.unbounded {
        return Finding::fail(id, format!("{why}; objective {objective}"));
    }
    if recovery::check(context).is_some_and(|one| one.verdict == Verdict::Fail) {
        let text = "recovery ended before the archive did: what had left the host was of no use";
        return context.unknown(id, text).follows_from("recovery");
    }
    match projected.us {
        None => context.unknown(id, why.clone()),
        Some(us) if us <= objective.micros() => Finding::pass(
            id,
            AtStake::always("an exposure beyond the objective by the settings in force"),
            format!("up to {}: {why}; objective {objective}", time(us)),
        ),
        Some(us) => Finding::fail(
            id,
            format!("up to {}: {why}; objective {objective}", time(us)),
        ),
    }
}

fn rto(context: &Context<'_>, name: &str, rto: &Rto, objective: Time) -> Finding {
    let id = format!("rto.{name}");
    let (Some(own), Some(total)) = (rto.without_people_us(), rto.with_people_us()) else {
        let finding = context.unknown(id, format!("not measured: {}", rto.unknown));
        return if rto.follows_from.is_empty() {
            finding
        } else {
            finding.follows_from(rto.follows_from.clone())
        };
    };
    let people = match total - own {
        0 => String::new(),
        us => format!(" + {} for people = {}", time(us), time(total)),
    };
    let message = format!("{}{people}, objective {objective}", time(own));
    let spans = rto
        .spans
        .iter()
        .map(|span| format!("{}: {}", phase_word(span.phase), time(span.us)));
    let longest = context.history.plan.deadline.micros() + (total - own);
    let finding = if total > objective.micros() {
        Finding::fail(id, message)
    } else if longest <= objective.micros() {
        let deadline = context.history.plan.deadline;
        let why = format!("{message}: the drill would have ended after {deadline} (`deadline`)");
        context.unknown(id, why)
    } else {
        let at_stake = format!("a recovery longer than {objective}");
        Finding::pass(id, AtStake::always(at_stake), message)
    };
    finding.details(spans)
}

fn outage(context: &Context<'_>, name: &str, outage: &Outage, objective: Time) -> Finding {
    let id = format!("outage.{name}");
    let Some(measured) = outage.measured_us else {
        return context.unknown(
            id,
            "not measured: no fault, or nothing was ever acknowledged",
        );
    };
    let natural = format!(
        "a gap of {} exceeds the objective {objective}, but gaps up to {} are natural here",
        time(outage.longest_gap_us),
        time(outage.allowance_us)
    );
    if measured == 0 && (1..outage.longest_gap_us).contains(&objective.micros()) {
        return context.unknown(id, natural);
    }
    let message = match measured {
        0 => format!(
            "none (longest gap {}, natural up to {}), objective {objective}",
            time(outage.longest_gap_us),
            time(outage.allowance_us)
        ),
        _ => format!(
            "{} without an acknowledged transaction, objective {objective}",
            time(measured)
        ),
    };
    if measured > objective.micros() {
        return Finding::fail(id, message);
    }
    if outage.watched_us <= objective.micros() {
        let watched = time(outage.watched_us);
        let why = format!("watched for {watched} only since the fault: lengthen `run`");
        return context.unknown(id, format!("{message}: {why}"));
    }
    let at_stake = format!("a gap longer than {objective}");
    Finding::pass(id, AtStake::always(at_stake), message)
}

#[cfg(test)]
mod tests {
    use crate::{check::testing::*, scenario::plan::CheckKind};

    #[test]
    fn a_recovery_time_that_no_drill_could_exceed_is_not_met() {
        let mut fixture = salvage();
        fixture.plan.human.decide = "5m".parse().unwrap();
        fixture.plan.objectives.get_mut("oa").unwrap().rto = Some("30m".parse().unwrap());
        fixture.plan.deadline = "25m".parse().unwrap();
        let why = "objective 30m: the drill would have ended after 25m (`deadline`)";
        expect(&fixture, "rto.oa", Verdict::Unknown, why);
        fixture.plan.deadline = "26m".parse().unwrap();
        expect(&fixture, "rto.oa", Verdict::Pass, "objective 30m");
    }

    #[test]
    fn measures_are_held_against_their_objectives() {
        let mut late = salvage();
        late.plan.objectives.get_mut("oa").unwrap().rto = Some("10s".parse().unwrap());
        expect(&late, "rto.oa", Verdict::Fail, "objective 10s");
        late.plan.objectives.get_mut("oa").unwrap().rto = Some("11s".parse().unwrap());
        expect(&late, "rto.oa", Verdict::Pass, "objective 11s");
        late.plan.human.decide = "5s".parse().unwrap();
        expect(&late, "rto.oa", Verdict::Fail, "+ 5s for people");
        let mut strict = lost_server();
        strict
            .plan
            .checks
            .retain(|kind| *kind != CheckKind::Settings);
        strict
            .plan
            .strategy
            .settings
            .insert("archive_timeout".into(), "5s".into());
        strict.plan.objectives.get_mut("oa").unwrap().rpo = Some("30s".parse().unwrap());
        expect(&strict, "rpo.oa", Verdict::Unknown, "too far to tell");
        strict.plan.objectives.get_mut("oa").unwrap().rpo = Some("6s".parse().unwrap());
        let judgement = strict.judge();
        assert!(
            finding(&judgement, "rpo.oa")
                .message
                .contains("objective 6s = 100ms in the drill")
        );
        assert_eq!(
            strict
                .judge()
                .findings
                .iter()
                .filter(|f| f.id == "lost.oa")
                .count(),
            0
        );
        let allow = |lost: u64| {
            let mut fixture = lost_server();
            fixture.plan.objectives.get_mut("agent").unwrap().lost = Some(lost);
            fixture
        };
        expect(&allow(0), "lost.agent", Verdict::Fail, "objective 0");
        expect(&allow(100), "lost.agent", Verdict::Pass, "kept");
        let why = "nothing here could have made it fail (any of 0 more writes lost)";
        expect(&allow(1_000_000), "lost.agent", Verdict::Unknown, why);
        let mut isolated = salvage();
        isolated.plan.objectives.get_mut("agent").unwrap().outage = Some("0s".parse().unwrap());
        expect(&isolated, "outage.agent", Verdict::Pass, "none");
        isolated.plan.objectives.get_mut("agent").unwrap().outage = Some("10ms".parse().unwrap());
        expect(&isolated, "outage.agent", Verdict::Unknown, "natural here");
        isolated.plan.objectives.get_mut("oa").unwrap().outage = Some("0s".parse().unwrap());
        expect(&isolated, "outage.oa", Verdict::Fail, "10.1s without");
        isolated.plan.objectives.get_mut("oa").unwrap().outage = Some("1h".parse().unwrap());
        expect(&isolated, "outage.oa", Verdict::Unknown, "lengthen `run`");
    }

    #[test]
    fn a_loss_that_could_not_have_missed_its_objective_is_open() {
        let demanding = |rpo: &str| {
            let mut fixture = lost_server();
            fixture.plan.objectives.get_mut("agent").unwrap().rpo = Some(rpo.parse().unwrap());
            fixture
        };
        expect(&demanding("8m"), "rpo.agent", Verdict::Pass, "300ms");
        let why = "at stake, objective 15m = 15s in the drill: lengthen `run` or raise `scale`";
        expect(&demanding("15m"), "rpo.agent", Verdict::Unknown, why);
    }

    #[test]
    fn nothing_lost_meets_every_objective() {
        let mut fixture = salvage();
        fixture.plan.objectives.get_mut("agent").unwrap().rpo = Some("7d".parse().unwrap());
        let judgement = fixture.judge();
        let rpo = finding(&judgement, "rpo.agent");
        assert_eq!(rpo.verdict, Verdict::Pass);
        assert!(
            rpo.at_stake.starts_with("any lost write"),
            "{}",
            rpo.at_stake
        );
    }
}
