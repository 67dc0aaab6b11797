//! Findings: the bad ones open, the good ones folded; and the verifiers on trial.

use maud::{Markup, html};

use super::{prose, verdict};
use crate::{
    finding::{Finding, Verdict},
    report::DrillReport,
};

pub(super) fn render(drill: &DrillReport) -> Markup {
    let of = |wanted: Verdict| {
        drill
            .findings
            .iter()
            .filter(move |one| one.verdict == wanted)
    };
    let bad: Vec<&Finding> = of(Verdict::Fail).chain(of(Verdict::Unknown)).collect();
    let good: Vec<&Finding> = of(Verdict::Pass).collect();
    html! {
        h3 { "Findings" }
        @if !bad.is_empty() { (table(drill, &bad)) }
        @if !good.is_empty() {
            details open[bad.is_empty()] {
                summary { (crate::check::count(good.len(), "finding")) " passed" }
                (table(drill, &good))
            }
        }
        @if !drill.skipped.is_empty() {
            details { summary { (crate::check::count(drill.skipped.len(), "check")) " not made" }
                ul { @for (check, why) in &drill.skipped { li { code { (check) } ": " (prose(why)) } } } }
        }
        (verifiers(drill))
    }
}

fn table(drill: &DrillReport, findings: &[&Finding]) -> Markup {
    html! {
        div.scroll { table.findings {
            thead { tr { th scope="col" { "Verdict" } th scope="col" { "Finding" } th scope="col" { "Why" } } }
            tbody { @for finding in findings { (row(drill, finding)) } }
        } }
    }
}

fn row(drill: &DrillReport, finding: &Finding) -> Markup {
    html! {
        tr {
            td { (verdict(finding.verdict))
                @if drill.judged.met.contains(&finding.id) { div.small { "as expected" } } }
            td { code { (finding.id) } }
            td {
                (prose(&finding.message))
                @if !finding.at_stake.is_empty() {
                    div.small { "would have failed: " (prose(&finding.at_stake)) }
                }
                @if !finding.follows_from.is_empty() {
                    div.small { "follows from " code { (finding.follows_from) } }
                }
                @if !finding.details.is_empty() {
                    details { summary { (crate::check::count(finding.details.len(), "particular")) }
                        ul { @for line in &finding.details { li { (prose(line)) } } } }
                }
            }
        }
    }
}

fn verifiers(drill: &DrillReport) -> Markup {
    html! { @if !drill.verifiers.is_empty() {
        h3 { "Verifiers on trial" }
        div.scroll { table {
            thead { tr { th scope="col" { "Verifier" } th scope="col" { "Object" }
                th scope="col" { "Said" } th scope="col" { "Truth" } th scope="col" { "Right" } } }
            tbody { @for trial in &drill.verifiers { tr {
                td { code { (trial.tool) } } td { (trial.object) }
                td { @if trial.said_good { "good" } @else { "bad" } }
                td { (trial.because) }
                td { @match trial.right() { Some(true) => "right", Some(false) => strong { "wrong" }, None => "not known" } }
            } } }
        } }
    } }
}
