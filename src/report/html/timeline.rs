//! The timeline: steps and spans above, throughput of each workload below, the fault and
//! the outage across all of it. SVG by hand.

use std::collections::BTreeMap;

use maud::{Markup, html};

use crate::{
    event::Throughput,
    measure::{
        WorkloadMeasures,
        rpo::time,
        rto::{Span, phase_word},
    },
    report::DrillReport,
    scenario::plan::Phase,
    text::cut,
};

const WIDTH: f64 = 1000.0;
const LEFT: f64 = 76.0;
const RIGHT: f64 = 14.0;
const STEPS_Y: f64 = 44.0;
const SPANS_Y: f64 = 72.0;
const LANE: f64 = 22.0;
const FIRST_CHART: f64 = 108.0;
const CHART: f64 = 74.0;
const CHART_GAP: f64 = 20.0;

#[derive(Clone, Copy)]
struct Axis {
    from: u64,
    to: u64,
}

impl Axis {
    fn x(self, us: u64) -> f64 {
        let us = us.clamp(self.from, self.to) - self.from;
        LEFT + us as f64 / (self.to - self.from).max(1) as f64 * (WIDTH - LEFT - RIGHT)
    }

    fn width(self, from: u64, us: u64) -> f64 {
        self.x(from + us) - self.x(from)
    }
}

/// A number of an SVG attribute.
fn n(value: f64) -> String {
    format!("{value:.1}")
}

pub(super) fn render(drill: &DrillReport) -> Markup {
    let begins = drill.steps.iter().filter_map(|step| step.from_us);
    let ends = drill
        .steps
        .iter()
        .filter_map(|step| Some(step.from_us? + step.us?));
    let axis = Axis {
        from: begins.min().unwrap_or(0),
        to: ends.max().unwrap_or(drill.took_us) + 500_000,
    };
    let charts = drill.measures.len() as f64;
    let bottom = FIRST_CHART + charts * (CHART + CHART_GAP);
    let view = format!("0 0 {WIDTH} {}", n(bottom + 22.0));
    html! { @if !drill.steps.is_empty() && axis.to > axis.from {
        h3 { "Timeline" }
        div.scroll {
            svg.timeline viewBox=(view) role="img" aria-labelledby={ (drill.drill) "-t " (drill.drill) "-d" } {
                title id={ (drill.drill) "-t" } { "Timeline of " (drill.drill) }
                desc id={ (drill.drill) "-d" } { (describe(drill)) }
                (hatch(drill))
                (ticks(axis, bottom))
                (steps(drill, axis))
                (phases(drill, axis))
                @for (index, measures) in drill.measures.iter().enumerate() {
                    (chart(drill, measures, axis, FIRST_CHART + index as f64 * (CHART + CHART_GAP)))
                }
                (marks(drill, axis, bottom))
            }
        }
        ul.legend aria-label="Spans" {
            @for (class, what) in FAMILIES {
                li { svg viewBox="0 0 14 11" aria-hidden="true" { rect.(class) width="14" height="11" rx="2" {} } (what) }
            }
        }
        p.small { "Seconds since the drill began; set-up before the first step and checks after the last are left out. "
            "Bars: transactions acknowledged a second. Dots below them: seconds with refused or unanswered ones. "
            "Hatched: outage." }
    } }
}

fn describe(drill: &DrillReport) -> String {
    let steps = drill.steps.iter().filter_map(|step| {
        Some(format!(
            "{} {} from {} for {}",
            step.number,
            step.title,
            time(step.from_us?),
            time(step.us?)
        ))
    });
    let faults = drill
        .faults
        .iter()
        .map(|one| format!("{} at {}", one.fault, time(one.began_us)));
    let outages = drill.measures.iter().filter_map(|one| {
        let us = one.outage.measured_us?;
        Some(format!("outage of {}: {}", one.workload, time(us)))
    });
    steps
        .chain(faults)
        .chain(outages)
        .collect::<Vec<_>>()
        .join("; ")
}

fn hatch(drill: &DrillReport) -> Markup {
    html! { defs {
        pattern id={ (drill.drill) "-h" } width="7" height="7" patternUnits="userSpaceOnUse" patternTransform="rotate(45)" {
            rect.hatch-ground width="7" height="7" {}
            line.hatch x1="0" y1="0" x2="0" y2="7" {}
        }
    } }
}

fn ticks(axis: Axis, bottom: f64) -> Markup {
    let seconds = (axis.to - axis.from) as f64 / 1e6;
    let wanted = [
        0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0,
    ];
    let step = wanted
        .into_iter()
        .find(|step| seconds / step <= 14.0)
        .unwrap_or(7200.0);
    let every = (step * 1e6) as u64;
    let first = axis.from.div_ceil(every) * every;
    let times = std::iter::successors(Some(first), |at| Some(at + every));
    html! { g.axis { @for at in times.take_while(|at| *at <= axis.to) {
        line x1=(n(axis.x(at))) x2=(n(axis.x(at))) y1=(n(STEPS_Y)) y2=(n(bottom)) {}
        text x=(n(axis.x(at))) y=(n(bottom + 15.0)) text-anchor="middle" { (time(at)) }
    } } }
}

fn steps(drill: &DrillReport, axis: Axis) -> Markup {
    html! { g.steps {
        text.lane x=(n(LEFT - 8.0)) y=(n(STEPS_Y + 15.0)) text-anchor="end" { "steps" }
        @for step in &drill.steps { @if let (Some(from), Some(us)) = (step.from_us, step.us) {
            @let width = axis.width(from, us);
            g {
                title { (step.number) " " (step.title) ": " (time(us)) ", " (step.outcome) }
                rect.(step.outcome) x=(n(axis.x(from))) y=(n(STEPS_Y)) width=(n(width.max(1.5))) height=(n(LANE)) rx="2" {}
                @if let Some(label) = label(&step.word, step.number, width) {
                    text x=(n(axis.x(from) + width / 2.0)) y=(n(STEPS_Y + 15.0)) text-anchor="middle" { (label) }
                }
            }
        } }
    } }
}

/// Number and word where there is room, the number alone where there is little.
fn label(word: &str, number: usize, width: f64) -> Option<String> {
    let full = format!("{number} {word}");
    if full.chars().count() as f64 * 7.0 + 6.0 <= width {
        return Some(full);
    }
    (width >= 16.0).then(|| number.to_string())
}

fn phases(drill: &DrillReport, axis: Axis) -> Markup {
    let recovery = |span: &&Span| {
        !matches!(span.phase, Phase::Steady | Phase::Run) && span.from_us + span.us > axis.from
    };
    html! { g.phases {
        text.lane x=(n(LEFT - 8.0)) y=(n(SPANS_Y + 15.0)) text-anchor="end" { "spans" }
        @for span in drill.phases.iter().filter(recovery) {
            @let word = phase_word(span.phase);
            @let width = axis.width(span.from_us, span.us);
            g {
                title { (word) ": " (time(span.us)) }
                rect.(family(span.phase)) x=(n(axis.x(span.from_us))) y=(n(SPANS_Y)) width=(n(width.max(1.0))) height=(n(LANE)) rx="2" {}
                @if word.chars().count() as f64 * 7.0 + 6.0 <= width {
                    text x=(n(axis.x(span.from_us) + width / 2.0)) y=(n(SPANS_Y + 15.0)) text-anchor="middle" { (word) }
                }
            }
        }
    } }
}

const FAMILIES: [(&str, &str); 6] = [
    ("harm", "inject"),
    ("people", "detect, decide, freeze"),
    ("store", "provision, fetch, combine"),
    ("server", "replay, promote, start, reindex"),
    ("home", "salvage, cut over"),
    ("verify", "verify"),
];

/// Phases by who works: people, the store, the server, the harness.
fn family(phase: Phase) -> &'static str {
    match phase {
        Phase::Inject => "harm",
        Phase::Detect | Phase::Decide | Phase::Freeze | Phase::Other => "people",
        Phase::Provision | Phase::Fetch | Phase::Combine => "store",
        Phase::ReplayToConsistency
        | Phase::ReplayToTarget
        | Phase::Promote
        | Phase::Start
        | Phase::Reindex => "server",
        Phase::Salvage | Phase::CutOver => "home",
        Phase::Verify | Phase::Steady | Phase::Run => "verify",
    }
}

fn chart(drill: &DrillReport, measures: &WorkloadMeasures, axis: Axis, top: f64) -> Markup {
    let name = &measures.workload;
    let seconds: Vec<&Throughput> = drill
        .throughput
        .iter()
        .filter(|second| &second.workload == name)
        .collect();
    let most = seconds
        .iter()
        .map(|second| second.ok)
        .max()
        .unwrap_or(0)
        .max(1);
    let base = top + CHART;
    let height = |ok: u64| ok as f64 / most as f64 * (CHART - 8.0);
    let outage = measures.outage.measured_us.filter(|us| *us > 0);
    html! { g.chart {
        text.lane x=(n(LEFT - 8.0)) y=(n(top + 16.0)) text-anchor="end" { (name) }
        text.peak x=(n(LEFT - 8.0)) y=(n(top + 32.0)) text-anchor="end" { (most) "/s" }
        line.base x1=(n(LEFT)) x2=(n(WIDTH - RIGHT)) y1=(n(base)) y2=(n(base)) {}
        @if let Some(us) = outage {
            @let from = measures.outage.gap_from_us;
            @let width = axis.width(from, us);
            rect.outage x=(n(axis.x(from))) y=(n(top)) width=(n(width)) height=(n(CHART)) fill={ "url(#" (drill.drill) "-h)" } {}
            text.outage-label x=(n(axis.x(from) + width / 2.0)) y=(n(top + CHART / 2.0 + 4.0)) text-anchor="middle" { "outage " (time(us)) }
        }
        @for second in &seconds {
            @let width = axis.width(second.from_us, 1_000_000).max(1.0) - 0.6;
            @if second.ok > 0 {
                rect.ok x=(n(axis.x(second.from_us))) y=(n(base - height(second.ok))) width=(n(width)) height=(n(height(second.ok))) {
                    title { (name) " at " (time(second.from_us)) ": " (second.ok) " ok, " (second.fail) " refused, " (second.info) " unanswered, p95 " (time(second.p95_us)) }
                }
            }
            @if second.fail + second.info > 0 {
                circle.bad cx=(n(axis.x(second.from_us) + width / 2.0)) cy=(n(base + 6.0)) r="2.6" {}
            }
        }
    } }
}

/// When business was back, of each recovery for all workloads that have it: those of another
/// cluster have others.
fn back_us(measures: &[WorkloadMeasures]) -> Vec<u64> {
    let mut back = BTreeMap::new();
    for one in measures {
        let several = one.recoveries.iter();
        let several = several.map(|recovery| (recovery.after.as_str(), &recovery.rto));
        let only = one.recoveries.is_empty().then_some(("", &one.rto));
        for (after, rto) in several.chain(only) {
            let last_us = back.entry((rto.began_us, after)).or_insert(rto.ended_us);
            *last_us = rto.ended_us.max(*last_us);
        }
    }
    back.into_values().flatten().collect()
}

/// Faults and the returns to business, across everything.
fn marks(drill: &DrillReport, axis: Axis, bottom: f64) -> Markup {
    let ready = back_us(&drill.measures);
    let side = |x: f64| {
        if x > WIDTH - 220.0 {
            ("end", x - 6.0)
        } else {
            ("start", x + 6.0)
        }
    };
    html! { g.marks {
        @for (index, fault) in drill.faults.iter().enumerate() {
            @let x = axis.x(fault.began_us);
            @let (anchor, at) = side(x);
            @let next = drill.faults.get(index + 1).map(|next| axis.x(next.began_us));
            @let label = format!("✖ {} {}", fault.fault, fault.target);
            line.fault x1=(n(x)) x2=(n(x)) y1="6" y2=(n(bottom)) {}
            text.fault x=(n(at)) y="16" text-anchor=(anchor) {
                title { (label) }
                (shortened(&label, next.map(|next| next - at)))
            }
        }
        @for us in ready {
            @let x = axis.x(us);
            @let (anchor, at) = side(x);
            line.ready x1=(n(x)) x2=(n(x)) y1="23" y2=(n(bottom)) {}
            text.ready x=(n(at)) y="33" text-anchor=(anchor) { "✔ business again" }
        }
    } }
}

/// A label that ends before what stands beside it.
fn shortened(label: &str, room: Option<f64>) -> String {
    const CHARACTER: f64 = 7.5;
    let fits = room.map_or(usize::MAX, |room| (room / CHARACTER).max(2.0) as usize);
    cut(label, fits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::*;

    #[test]
    fn business_is_back_after_each_recovery_of_each_cluster() {
        let mut measures = lost_twice().judge().measures;
        let both = back_us(&measures);
        assert_eq!(both.len(), 2);
        let elsewhere = WorkloadMeasures {
            recoveries: Vec::new(),
            ..measures[0].clone()
        };
        measures.push(elsewhere);
        measures[2].rto.ended_us = Some(30 * SECOND);
        let mut all = both.clone();
        all.push(30 * SECOND);
        let mut back = back_us(&measures);
        back.sort_unstable();
        assert_eq!(back, all);
    }
}
