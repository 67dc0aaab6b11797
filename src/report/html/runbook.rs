//! What was performed: the steps, the commands, and on which versions.

use maud::{Markup, html};

use crate::{
    event::{ObjectStoreRecord, RestoreRecord},
    measure::rpo::time,
    report::{
        DrillReport,
        run::{CommandReport, StepReport},
    },
    scenario::plan::Nature,
    store::named_at,
    units::Bytes,
    wal::lsn,
};

pub(super) fn steps(drill: &DrillReport, open: bool) -> Markup {
    html! { @if !drill.steps.is_empty() {
        details open[open] {
            summary { "Steps" }
            div.scroll { table {
                thead { tr { th.num scope="col" { "#" } th scope="col" { "Step" }
                    th.num scope="col" { "At" } th.num scope="col" { "Took" } th scope="col" { "Ended" } } }
                tbody { @for step in &drill.steps { (step_row(step)) } }
            } }
            @if !drill.restores.is_empty() {
                div.scroll { table {
                    thead { tr { th scope="col" { "Server" } th scope="col" { "From" }
                        th scope="col" { "Target" } th.num scope="col" { "Reached" }
                        th.num scope="col" { "Timeline" } } }
                    tbody { @for restore in &drill.restores { (restore_row(restore)) } }
                } }
            }
            @if !drill.object_stores.is_empty() {
                div.scroll { table {
                    thead { tr { th scope="col" { "Object store" } th.num scope="col" { "Requests" }
                        th.num scope="col" { "Refused" } th.num scope="col" { "Cut off" }
                        th.num scope="col" { "Received" } th.num scope="col" { "Sent" } } }
                    tbody { @for served in &drill.object_stores { (served_row(served)) } }
                } }
            }
            @if !drill.notes.is_empty() {
                p { strong { "Notes" } }
                ul { @for note in &drill.notes { li { (note) } } }
            }
        }
    } }
}

fn step_row(step: &StepReport) -> Markup {
    let shown = |us: Option<u64>| us.map_or_else(|| "–".to_owned(), time);
    html! { tr {
        td.num { (step.number) }
        td { (step.title) @if !step.error.is_empty() { pre { (step.error) } } }
        td.num { (shown(step.from_us)) }
        td.num { (shown(step.us)) }
        td { @if step.outcome == "done" { "done" } @else { strong { (step.outcome) } } }
    } }
}

fn restore_row(restore: &RestoreRecord) -> Markup {
    let backup = named_at(&restore.store, &restore.backup);
    let from = if backup.is_empty() {
        "its primary"
    } else {
        backup.as_str()
    };
    let reached = match restore.nature {
        Nature::Physical => lsn::show(restore.reached_lsn),
        Nature::Logical => "its snapshot".to_owned(),
    };
    html! { tr {
        td { (restore.server) }
        td { (from) }
        td { (restore.target) }
        td.num { (reached) }
        td.num { (restore.timeline) }
    } }
}

fn served_row(served: &ObjectStoreRecord) -> Markup {
    let tally = &served.tally;
    let size = |bytes| Bytes(bytes).to_string();
    html! { tr {
        td { (served.store) " of " (served.cluster) }
        td.num { (tally.requests.values().sum::<u64>()) }
        td.num { (tally.refused()) }
        td.num { (tally.cut) }
        td.num { (size(tally.received)) }
        td.num { (size(tally.sent)) }
    } }
}

pub(super) fn commands(drill: &DrillReport) -> Markup {
    html! { @if !drill.commands.is_empty() {
        details {
            summary { "Runbook: " (crate::check::count(drill.commands.len(), "command")) " performed" }
            ol.runbook { @for command in &drill.commands { (command_item(drill, command)) } }
        }
    } }
}

fn command_item(drill: &DrillReport, told: &CommandReport) -> Markup {
    let command = &told.command;
    let step = drill.steps.iter().find(|step| step.number == told.step);
    let output = [("stdout", &command.stdout), ("stderr", &command.stderr)];
    html! { li {
        div.small { (command.user) " on " (command.node) " · exit " (command.exit) " · " (time(command.took_us))
            @if let Some(step) = step { " · step " (step.number) " " (step.word) } }
        pre.command { "$ " (command.command) }
        @for (name, text) in output.iter().filter(|(_, text)| !text.trim().is_empty()) {
            details { summary { (name) } pre { (text) } }
        }
    } }
}

pub(super) fn versions(drill: &DrillReport) -> Markup {
    let variant = &drill.variant;
    html! {
        details {
            summary { "Versions and variant" }
            dl {
                dt { "scenario" } dd { (drill.file) }
                dt { "seed" } dd { (variant.seed) }
                dt { "pgdrill" } dd { (variant.pgdrill) }
                @if !variant.image.is_empty() { dt { "image" } dd { code { (variant.image) } } }
                @for (tool, version) in &variant.versions { dt { (tool) } dd { (version) } }
            }
        }
    }
}
