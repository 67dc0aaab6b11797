//! `report.html`: one page, self-contained, no script, no network.
//!
//! Verdict first, then figures against objectives, the timeline, the findings, and the
//! runbook that was performed. Readable without colour (words and shapes), in the dark,
//! by keyboard, and on paper.

mod drill;
mod findings;
mod objectives;
mod runbook;
mod timeline;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{DrillReport, RunSummary};
use crate::{finding::Verdict, measure::rpo::time};

const STYLE: &str = include_str!("style.css");

pub fn render(run: &RunSummary) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { "pgdrill " (run.run) ": " (run.outcome.word()) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                (head(run))
                main {
                    (overview(run))
                    (skipped(run))
                    @for drill in &run.drills { (drill::render(drill, run.drills.len() == 1)) }
                }
                footer {
                    p { "Made by pgdrill " (run.pgdrill) " from the run's own files; "
                        code { "pgdrill analyze" } " makes it again." }
                }
            }
        }
    };
    page.into_string()
}

fn head(run: &RunSummary) -> Markup {
    let drills = crate::check::count(run.drills.len(), "drill");
    let tally = run.tally([Verdict::Fail, Verdict::Unknown, Verdict::Pass]);
    html! {
        header.(run.outcome.word()) {
            div.inner {
                (sign(run.outcome, 56))
                div {
                    h1 { (headline(run)) }
                    p { (drills) " · " (tally) " · run " code { (run.run) }
                        @if !run.began.is_empty() { " · " time datetime=(run.began) { (wall(&run.began)) } } }
                }
            }
        }
    }
}

fn headline(run: &RunSummary) -> &'static str {
    let mut judged = run.drills.iter().map(|drill| &drill.judged);
    match run.outcome {
        Verdict::Pass if judged.any(|judged| judged.verdict != Verdict::Pass) => {
            "Pass: every drill came out as its scenario expects"
        }
        Verdict::Pass => "Pass: recovery was shown to work",
        Verdict::Unknown => "Unknown: not enough evidence",
        Verdict::Fail => "Fail: recovery was shown not to work as demanded",
    }
}

/// Wall time without fractions of a second.
fn wall(began: &str) -> String {
    match began.parse::<jiff::Timestamp>() {
        Ok(at) => at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
        Err(_) => began.to_owned(),
    }
}

fn overview(run: &RunSummary) -> Markup {
    html! {
        @if run.drills.len() > 1 {
            section.card aria-label="Drills" {
                div.scroll { table.overview {
                    thead { tr {
                        th scope="col" { "Outcome" } th scope="col" { "Drill" }
                        th scope="col" { "RPO" } th scope="col" { "RTO" }
                        th scope="col" { "Outage" } th.num scope="col" { "Took" }
                    } }
                    tbody { @for drill in &run.drills { (overview_row(drill)) } }
                } }
            }
        }
    }
}

/// What no verdict counts.
fn skipped(run: &RunSummary) -> Markup {
    html! {
        @if !run.skipped.is_empty() {
            section.card aria-label="Skipped drills" {
                h2 { (crate::check::count(run.skipped.len(), "drill")) " not performed here" }
                ul { @for one in &run.skipped { li { code { (one.drill) } ": " (prose(&one.why)) } } }
            }
        }
    }
}

fn overview_row(drill: &DrillReport) -> Markup {
    let shown = |us: Option<u64>| us.map_or_else(|| "unknown".to_owned(), time);
    html! {
        tr {
            td { (verdict(drill.judged.outcome)) }
            td { a href={ "#" (drill.drill) } { (drill.drill) } }
            td { @for m in &drill.measures { div { (m.workload) " " (m.rpo.shown()) } } }
            td { @for m in &drill.measures { div { (m.workload) " " (shown(m.rto.with_people_us())) } } }
            td { @for m in &drill.measures { div { (m.workload) " " (shown(m.outage.measured_us)) } } }
            td.num { (time(drill.took_us)) }
        }
    }
}

/// Text in which what stands between backticks is code.
fn prose(text: &str) -> Markup {
    let parts: Vec<&str> = text.split('`').collect();
    let whole = parts.len() % 2 == 1;
    html! {
        @for (index, part) in parts.iter().enumerate() {
            @if index % 2 == 1 && whole { code { (part) } }
            @else if index > 0 && !whole { "`" (part) }
            @else { (part) }
        }
    }
}

/// A verdict as a shape and a word.
fn verdict(verdict: Verdict) -> Markup {
    html! { span.verdict.(verdict.word()) { (sign(verdict, 16)) (verdict.word()) } }
}

/// The verdict's shape: a circle with a tick, a diamond with a question mark, a square
/// with a cross.
fn sign(verdict: Verdict, size: u32) -> Markup {
    html! {
        svg.sign.(verdict.word()) width=(size) height=(size) viewBox="0 0 16 16" aria-hidden="true" {
            @match verdict {
                Verdict::Pass => {
                    circle.face cx="8" cy="8" r="7.5" {}
                    path.mark d="M4.6 8.4 7 10.8 11.5 5.6" {}
                }
                Verdict::Unknown => {
                    rect.face x="2.6" y="2.6" width="10.8" height="10.8" rx="1" transform="rotate(45 8 8)" {}
                    path.mark d="M6.2 6.2a1.9 1.9 0 1 1 2.7 1.8c-.6.3-.9.6-.9 1.3M8 11.4v.1" {}
                }
                Verdict::Fail => {
                    rect.face x="1" y="1" width="14" height="14" rx="2" {}
                    path.mark d="M5 5l6 6M11 5l-6 6" {}
                }
            }
        }
    }
}
