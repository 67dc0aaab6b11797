//! One drill of the page.

use maud::{Markup, html};

use super::{findings, objectives, prose, runbook, sign, timeline, verdict, wall};
use crate::{
    finding::Verdict,
    measure::{WorkloadMeasures, rpo::time},
    report::DrillReport,
    units::Bytes,
};

pub(super) fn render(drill: &DrillReport, alone: bool) -> Markup {
    let open = alone || drill.judged.outcome != Verdict::Pass;
    html! {
        article.card id=(drill.drill) {
            (title(drill))
            p.about { (prose(&drill.about)) }
            (outcome(drill))
            (objectives::render(drill))
            (timeline::render(drill))
            (findings::render(drill))
            (ledger(drill))
            (traffic(drill))
            (runbook::steps(drill, open))
            (runbook::commands(drill))
            (runbook::versions(drill))
        }
    }
}

fn title(drill: &DrillReport) -> Markup {
    let variant = &drill.variant;
    html! {
        div.title {
            (sign(drill.judged.outcome, 28))
            div {
                h2 { (drill.drill) " " span.word.(drill.judged.outcome.word()) { (drill.judged.outcome.word()) } }
                p.meta {
                    "PostgreSQL " (variant.postgres)
                    @if !variant.runtime.is_empty() { " on " (variant.runtime) }
                    " · strategy " (variant.strategy)
                    @if variant.data_bytes > 0 { " · " (Bytes(variant.data_bytes)) ", " (variant.data_rows) " rows" }
                    @if variant.scale > 1 { " · one second stands for " (variant.scale) }
                    " · took " (time(drill.took_us))
                    @if let Some(overhead) = &drill.overhead {
                        span title="Neither inside tools and the engine, nor inside servers, nor in declared waits" {
                            ", " (time(overhead.own_us)) " of it the harness’s own" }
                    }
                    @if !drill.began.is_empty() { " · " (wall(&drill.began)) }
                    @for tag in &drill.tags { " " span.tag { (tag) } }
                }
            }
        }
    }
}

/// What was expected, where it was not a plain pass, and what is not as expected.
fn outcome(drill: &DrillReport) -> Markup {
    let judged = &drill.judged;
    html! {
        @if !judged.expected.is_empty() {
            div.note {
                p { "This scenario expects to fail; its verdict as judged is " (verdict(judged.verdict))
                    ", its outcome against the expectation " (verdict(judged.outcome)) "." }
                ul { @for (id, text) in &judged.expected {
                    li { code { (id) } @if !text.is_empty() { " because of “" (prose(text)) "”" }
                        @if judged.met.contains(id) { ": failed, as it must" } @else { ": did not fail" } }
                } }
            }
        }
        (reasons(drill))
    }
}

/// At most so many reasons are told at the top; the findings have them all.
const REASONS: usize = 8;

fn reasons(drill: &DrillReport) -> Markup {
    let judged = &drill.judged;
    let in_consequence = |reason: &&String| reason.contains(": can't be told, follows from ");
    let (open, own): (Vec<&String>, Vec<&String>) = judged.reasons.iter().partition(in_consequence);
    let more = own.len().saturating_sub(REASONS);
    html! { @if !judged.reasons.is_empty() {
        div.note.(judged.outcome.word()) {
            p { strong { @if judged.expected.is_empty() { "Why it is not a pass" } @else { "Not as expected" } } }
            ul {
                @for reason in own.iter().take(REASONS) { li { (prose(reason)) } }
                @if more > 0 { li { "… and " (more) " more, see the findings" } }
                @if !open.is_empty() {
                    li { "In consequence " (crate::check::count(open.len(), "finding")) " can’t be told" }
                }
            }
        }
    } }
}

fn ledger(drill: &DrillReport) -> Markup {
    let told = drill.measures.iter().any(|one| one.ledger.ok > 0);
    let (empty, rows): (Vec<_>, Vec<_>) = tallies(&drill.measures)
        .into_iter()
        .partition(|(_, values)| values.iter().all(|value| *value == 0));
    let empty: Vec<&str> = empty.iter().map(|(name, _)| *name).collect();
    html! { @if told {
        h3 { "Ledger" }
        div.scroll { table.narrow {
            thead { tr { th scope="col" { "Transactions" }
                @for one in &drill.measures { th.num scope="col" { (one.workload) } } } }
            tbody { @for (name, values) in rows {
                tr { th scope="row" { (name) }
                    @for value in values { td.num.zero[value == 0] { (value) } } }
            } }
        } }
        @if !empty.is_empty() { p.small { "Not one: " (empty.join(" · ")) } }
    } }
}

fn tallies(measures: &[WorkloadMeasures]) -> Vec<(&'static str, Vec<u64>)> {
    let row = |name, pick: fn(&WorkloadMeasures) -> u64| {
        (name, measures.iter().map(pick).collect::<Vec<u64>>())
    };
    vec![
        row("acknowledged (reads included)", |m| m.ledger.ok),
        row("refused", |m| m.ledger.fail),
        row("answer lost", |m| m.ledger.info),
        row("acknowledged writes that are there", |m| m.ledger.kept),
        row("lost before the boundary", |m| m.ledger.lost),
        row("lost after the boundary", |m| m.ledger.lost_after),
        row("discarded with the old server", |m| m.ledger.discarded),
        row("answer lost, yet present", |m| m.ledger.recovered_info),
        row("damaged", |m| m.ledger.damaged),
        row("resurrected", |m| m.ledger.resurrected),
        row("unexpected", |m| m.ledger.unexpected),
        row("holes", |m| m.ledger.holes),
    ]
}

fn traffic(drill: &DrillReport) -> Markup {
    let told = drill.measures.iter().any(|one| one.throughput.p50_us > 0);
    let rate =
        |rate: Option<f64>| rate.map_or_else(|| "–".to_owned(), |rate| format!("{rate:.1}/s"));
    html! { @if told {
        h3 { "Throughput and latency" }
        div.scroll { table {
            thead { tr { th scope="col" { "Workload" } th.num scope="col" { "Before" }
                th.num scope="col" { "After" } th.num scope="col" { "Ratio" }
                th.num scope="col" { "p50" } th.num scope="col" { "p95" }
                th.num scope="col" { "p99" } th.num scope="col" { "Maximum" } } }
            tbody { @for one in &drill.measures { @let t = &one.throughput; tr {
                th scope="row" { (one.workload) }
                td.num { (rate(t.before)) } td.num { (rate(t.after)) }
                td.num { (t.ratio().map_or_else(|| "–".to_owned(), |r| format!("{r:.2}"))) }
                td.num { (time(t.p50_us)) } td.num { (time(t.p95_us)) }
                td.num { (time(t.p99_us)) } td.num { (time(t.max_us)) }
            } } }
        } }
        p.small { "Latency counts from the intended start, over the whole drill, outage included." }
        @for one in drill.measures.iter().filter(|one| !one.throughput.errors.is_empty()) {
            details { summary { "Errors that clients of " (one.workload) " met" }
                ul { @for (error, n) in &one.throughput.errors { li { (n) " × " code { (error) } } } } }
        }
    } }
}
