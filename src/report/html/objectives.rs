//! Figures against objectives, as bars, and the spans of the RTO.

use maud::{Markup, html};

use super::verdict;
use crate::{
    finding::Verdict,
    measure::{
        WorkloadMeasures,
        rpo::time,
        rto::{Rto, phase_word},
    },
    report::DrillReport,
    scenario::plan::Objectives,
    units::Time,
};

struct Bar {
    name: &'static str,
    measured: Option<u64>,
    demanded: Option<u64>,
    /// None: measured, but nothing is demanded.
    verdict: Option<Verdict>,
    shown: String,
}

pub(super) fn render(drill: &DrillReport) -> Markup {
    html! {
        @if !drill.measures.is_empty() {
            h3 { "Objectives" }
            div.objectives {
                @for measures in &drill.measures {
                    section.workload {
                        h4 { (measures.workload) }
                        @for bar in bars(drill, measures) { (self::bar(&bar)) }
                        (recoveries(measures))
                        (spans(&measures.rto))
                    }
                }
            }
        }
    }
}

fn bars(drill: &DrillReport, measures: &WorkloadMeasures) -> [Bar; 3] {
    let name = &measures.workload;
    let none = Objectives::default();
    let objectives = drill.objectives.get(name).unwrap_or(&none);
    let judged = |what: &str| {
        let id = format!("{what}.{name}");
        let found = drill.findings.iter().find(|finding| finding.id == id);
        found.map(|finding| finding.verdict)
    };
    let lost = [judged("rpo"), judged("lost")].into_iter().flatten();
    let (rpo, rto) = (&measures.rpo, &measures.rto);
    let outage = measures.outage.measured_us;
    [
        Bar {
            name: "RPO",
            measured: rpo.scaled_us(),
            demanded: objectives.rpo.map(Time::micros),
            verdict: lost.max(),
            shown: rpo_text(measures, objectives),
        },
        Bar {
            name: "RTO",
            measured: rto.with_people_us(),
            demanded: objectives.rto.map(Time::micros),
            verdict: judged("rto"),
            shown: rto_text(rto, objectives.rto),
        },
        Bar {
            name: "Outage",
            measured: outage,
            demanded: objectives.outage.map(Time::micros),
            verdict: judged("outage"),
            shown: outage_text(measures, objectives.outage),
        },
    ]
}

fn against(measured: &str, demanded: Option<Time>) -> String {
    match demanded {
        Some(demanded) => format!("{measured} of {demanded}"),
        None => format!("{measured}, no objective"),
    }
}

fn outage_text(measures: &WorkloadMeasures, demanded: Option<Time>) -> String {
    let outage = &measures.outage;
    let measured = outage.measured_us.map_or("not measured".into(), time);
    let text = against(&measured, demanded);
    // Worth a word where writes stood still for clearly longer than everything.
    let told = outage
        .allowance_us
        .max(outage.measured_us.unwrap_or(0) / 5 * 6);
    if outage.write_gap_us <= told {
        return text;
    }
    format!("{text} ({} without a write)", time(outage.write_gap_us))
}

fn rpo_text(measures: &WorkloadMeasures, demanded: &Objectives) -> String {
    let rpo = &measures.rpo;
    if rpo.measured_us.is_none() {
        return format!("not measured: {}", rpo.unknown);
    }
    let transactions = |n: u64| crate::check::count(n as usize, "transaction");
    if rpo.transactions == 0 {
        let time = demanded.rpo.map(|time| time.to_string());
        let lost = demanded.lost.map(transactions);
        let allowed: Vec<String> = time.into_iter().chain(lost).collect();
        return match allowed.is_empty() {
            false => format!("nothing lost, {} allowed", allowed.join(" and ")),
            true => "nothing lost, no objective".into(),
        };
    }
    let text = against(&rpo.shown(), demanded.rpo);
    let allowed = demanded
        .lost
        .map_or_else(String::new, |n| format!(" ({n} allowed)"));
    format!("{text}, {}{allowed}", transactions(rpo.transactions))
}

fn rto_text(rto: &Rto, demanded: Option<Time>) -> String {
    let (Some(own), Some(total)) = (rto.without_people_us(), rto.with_people_us()) else {
        return format!("not measured: {}", rto.unknown);
    };
    let text = against(&time(total), demanded);
    match total - own {
        0 => text,
        people => format!("{text} ({} + {} for people)", time(own), time(people)),
    }
}

/// Track, measured bar, and a line at the objective.
fn bar(bar: &Bar) -> Markup {
    let full = bar
        .demanded
        .unwrap_or(0)
        .max(bar.measured.unwrap_or(0))
        .max(1) as f64
        * 1.15;
    let percent = |us: u64| us as f64 / full * 100.0;
    let word = bar.verdict.map_or("measured", Verdict::word);
    let label = format!("{} {}: {word}", bar.name, bar.shown);
    html! {
        div.objective {
            span.name { (bar.name) }
            svg.bar.(word) viewBox="0 0 100 10" preserveAspectRatio="none" role="img" aria-label=(label) {
                title { (label) }
                rect.track x="0" y="1" width="100" height="8" {}
                @if let Some(us) = bar.measured {
                    rect.value x="0" y="1" width=(format!("{:.2}", percent(us).max(0.6))) height="8" {}
                }
                @if let Some(demanded) = bar.demanded {
                    rect.limit x=(format!("{:.2}", percent(demanded) - 0.25)) y="0" width="0.5" height="10" {}
                }
            }
            span.figure {
                @if let Some(judged) = bar.verdict { (verdict(judged)) " " }
                span { (bar.shown) }
            }
        }
    }
}

/// Each recovery of several; the bars show the worst.
fn recoveries(measures: &WorkloadMeasures) -> Markup {
    let told = |us: Option<u64>| us.map_or_else(|| "not measured".to_owned(), time);
    html! { @if !measures.recoveries.is_empty() {
        details.spans open {
            summary { "By recovery, the worst above" }
            table {
                thead { tr { th scope="col" { "After" } th.num scope="col" { "Lost" }
                    th.num scope="col" { "RPO" } th.num scope="col" { "RTO" } } }
                tbody { @for one in &measures.recoveries { tr {
                    td { (one.after) } td.num { (one.rpo.transactions) }
                    td.num { (one.rpo.shown()) } td.num { (told(one.rto.with_people_us())) }
                } } }
            }
        }
    } }
}

/// What the recovery time was spent on; the worst recovery's.
fn spans(rto: &Rto) -> Markup {
    let total = rto.measured_us.unwrap_or(0).max(1);
    let share = |us: u64| format!("{:.1}%", us as f64 / total as f64 * 100.0);
    html! { @if !rto.spans.is_empty() {
        details.spans {
            summary { "RTO by span" }
            table {
                thead { tr { th scope="col" { "Span" } th.num scope="col" { "Time" } th scope="col" { "Share" } } }
                tbody {
                    @for span in &rto.spans {
                        tr { td { (phase_word(span.phase)) } td.num { (time(span.us)) }
                            td { span.share style={ "--share:" (share(span.us)) } {} (share(span.us)) } }
                    }
                    tr.sum { td { "measured" } td.num { (time(total)) } td {} }
                    @for (what, us) in [("detect (declared)", rto.detect_us), ("decide (declared)", rto.decide_us)] {
                        @if us > 0 { tr { td { (what) } td.num { (time(us)) } td {} } }
                    }
                }
            }
        }
    } }
}
