//! The table, in Markdown.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use super::{By, Promise, Proof, System};
use crate::{
    check::count,
    finding::{Finding, Verdict},
    measure::rpo::time,
    report::{DrillReport, RunSummary, run::Variant},
    text::{cut, on_one_line},
    units::Time,
};

/// As much of a finding as stands in a row.
const MESSAGE: usize = 120;

/// The table, and what it comes to.
#[derive(Clone, Debug)]
pub struct Table {
    pub markdown: String,
    /// The worst of what is not open; a promise that no run put to the test is `unknown`.
    pub verdict: Verdict,
    /// How many there are, and how many are open, untested, …, for people.
    pub summary: String,
}

/// What one drill shows of a promise.
struct Shown {
    place: String,
    verdict: Verdict,
    objective: String,
    measured: String,
    /// The larger the worse, of the same verdict.
    us: u64,
}

/// A row, but for the promise itself.
enum Row {
    Open(String),
    Untested(String),
    Tested(String, Vec<Shown>),
}

/// Puts promises beside what runs came to: of each place the newest drill, of several places the worst figure.
pub fn table(systems: &[System], runs: &[RunSummary]) -> Table {
    let mut markdown = String::new();
    let mut rows = Vec::new();
    for system in systems {
        let (name, about) = (&system.system, &system.about);
        let _ = write!(markdown, "\n## {name}: {about}\n\n{HEAD}");
        for promise in &system.promises {
            let row = Row::of(promise, runs);
            markdown.push_str(&row.line(&promise.promise));
            rows.push(row);
        }
    }
    markdown.push_str("\n## Runs\n\n");
    for run in runs {
        markdown.push_str(&told(run));
    }
    Table {
        markdown: format!("{INTRODUCTION}{markdown}"),
        verdict: Verdict::worst(rows.iter().filter_map(Row::verdict)),
        summary: summary(&rows),
    }
}

const INTRODUCTION: &str = "# What is promised, and what was measured\n\n\
    Made by `pgdrill promises RUN…`, not by hand. Of each place the last drill of a scenario counts, and of \
    several places the worst figure stands here. RPO is what the drill's figure stands for at its scale; in \
    RTO is the time that people take to see and to decide. ✔ as it must be, ✘ not, ? could not be told.\n";

const HEAD: &str = "| promise | scenario | objective | measured | where |\n|---|---|---|---|---|\n";

impl Row {
    fn of(promise: &Promise, runs: &[RunSummary]) -> Self {
        let (scenario, by) = match &promise.proof {
            Proof::Open(why) => return Self::Open(why.clone()),
            Proof::Drilled { scenario, by } => (scenario, by.as_ref()),
        };
        let drills = runs.iter().flat_map(|run| &run.drills);
        let drills = drills.filter(|drill| drill.scenario == *scenario);
        let shown = newest(drills).map(|drill| Shown::of(drill, by));
        let shown: Vec<Shown> = shown.collect();
        match shown.is_empty() {
            true => Self::Untested(scenario.clone()),
            false => Self::Tested(scenario.clone(), shown),
        }
    }

    /// None of what is open.
    fn verdict(&self) -> Option<Verdict> {
        match self {
            Self::Open(_) => None,
            Self::Untested(_) => Some(Verdict::Unknown),
            Self::Tested(_, shown) => Some(Verdict::worst(shown.iter().map(|one| one.verdict))),
        }
    }

    fn line(&self, promise: &str) -> String {
        let cells = match self {
            Self::Open(why) => [promise, "–", "–", &format!("open: {why}"), "–"].map(cell),
            Self::Untested(scenario) => [
                promise,
                &code(scenario),
                "–",
                "not drilled in these runs",
                "?",
            ]
            .map(cell),
            Self::Tested(scenario, shown) => {
                let worst = shown.iter().max_by_key(|one| (one.verdict, one.us));
                let worst = worst.expect("it was tested");
                let (objective, measured) = (&worst.objective, &worst.measured);
                [
                    promise,
                    &code(scenario),
                    objective,
                    measured,
                    &places(shown),
                ]
                .map(cell)
            }
        };
        format!("| {} |\n", cells.join(" | "))
    }
}

/// Of each place the drill that began last.
fn newest<'a>(
    drills: impl Iterator<Item = &'a DrillReport>,
) -> impl Iterator<Item = &'a DrillReport> {
    let mut newest = BTreeMap::<String, &DrillReport>::new();
    for drill in drills {
        let known = newest.entry(place(&drill.variant)).or_insert(drill);
        if known.began < drill.began {
            *known = drill;
        }
    }
    newest.into_values()
}

/// `docker 17`
fn place(variant: &Variant) -> String {
    format!("{} {}", variant.runtime, variant.postgres)
}

/// `✔ docker 15, docker 17 ✘ local 15`
fn places(shown: &[Shown]) -> String {
    let marks = [
        (Verdict::Pass, "✔"),
        (Verdict::Unknown, "?"),
        (Verdict::Fail, "✘"),
    ];
    let of = |(verdict, mark)| {
        let those = shown.iter().filter(|one| one.verdict == verdict);
        let those: Vec<&str> = those.map(|one| one.place.as_str()).collect();
        (!those.is_empty()).then(|| format!("{mark} {}", those.join(", ")))
    };
    let of: Vec<String> = marks.into_iter().filter_map(of).collect();
    of.join(" ")
}

impl Shown {
    fn of(drill: &DrillReport, by: Option<&By>) -> Self {
        let (verdict, objective, measured, us) = match by {
            None => whole(drill),
            Some(By::Rpo(workload)) => figure(drill, &format!("rpo.{workload}")),
            Some(By::Rto(workload)) => figure(drill, &format!("rto.{workload}")),
            Some(By::Outage(workload)) => figure(drill, &format!("outage.{workload}")),
            Some(By::Finding(id)) => {
                let message = cut(&message(drill, id), MESSAGE);
                (of_finding(drill, id), "holds".into(), message, 0)
            }
            Some(By::Red(id)) => red(drill, id),
        };
        Self {
            place: place(&drill.variant),
            // A figure of a drill that did not come out as it must shows nothing.
            verdict: Verdict::worst([verdict, drill.judged.outcome]),
            objective,
            measured,
            us,
        }
    }
}

type Figure = (Verdict, String, String, u64);

fn whole(drill: &DrillReport) -> Figure {
    let took = format!("in {}", time(drill.took_us));
    let outcome = drill.judged.outcome;
    let (objective, measured) = match drill.judged.met.join(", ") {
        _ if outcome != Verdict::Pass => ("as expected", drill.judged.reasons.join("; ")),
        met if met.is_empty() => ("all checks pass", took),
        met => ("red", format!("{met} {took}")),
    };
    (
        outcome,
        objective.into(),
        cut(&on_one_line(&measured), MESSAGE),
        drill.took_us,
    )
}

/// What is measured against an objective, by the finding of it: `rpo.oa`. Where nobody stated an objective
/// the figure is told, and kept by the drill as a whole.
fn figure(drill: &DrillReport, id: &str) -> Figure {
    let (us, objective) = measured(drill, id);
    let (verdict, objective) = match objective {
        Some(objective) => (of_finding(drill, id), format!("≤ {objective}")),
        None if us.is_some() => (Verdict::Pass, "told".into()),
        None => (Verdict::Unknown, "told".into()),
    };
    let measured = us.map_or_else(|| "unknown".to_owned(), time);
    (verdict, objective, measured, us.unwrap_or(u64::MAX))
}

/// In microseconds, and what is demanded.
fn measured(drill: &DrillReport, id: &str) -> (Option<u64>, Option<Time>) {
    let (objective, workload) = id.split_once('.').unwrap_or_default();
    let measures = drill.measures.iter().find(|one| one.workload == workload);
    let demanded = drill.objectives.get(workload);
    match objective {
        "rpo" => (
            measures.and_then(|one| one.rpo.scaled_us()),
            demanded.and_then(|one| one.rpo),
        ),
        "rto" => (
            measures.and_then(|one| one.rto.with_people_us()),
            demanded.and_then(|one| one.rto),
        ),
        "outage" => (
            measures.and_then(|one| one.outage.measured_us),
            demanded.and_then(|one| one.outage),
        ),
        _no_figure => (None, None),
    }
}

fn of_finding(drill: &DrillReport, id: &str) -> Verdict {
    found(drill, id).map_or(Verdict::Unknown, |one| one.verdict)
}

fn found<'a>(drill: &'a DrillReport, id: &str) -> Option<&'a Finding> {
    drill.findings.iter().find(|one| one.id == id)
}

fn message(drill: &DrillReport, id: &str) -> String {
    on_one_line(found(drill, id).map_or("no such finding", |one| &one.message))
}

/// A figure that misses its objective, or what a finding says around the reason that the scenario states.
fn red(drill: &DrillReport, id: &str) -> Figure {
    let met = drill.judged.met.iter().any(|one| one == id);
    let verdict = if met { Verdict::Pass } else { Verdict::Fail };
    if ["rpo.", "rto.", "outage."]
        .iter()
        .any(|of| id.starts_with(of))
    {
        let (_, objective, measured, us) = figure(drill, id);
        return (verdict, format!("red: not {objective}"), measured, us);
    }
    let reason = drill.judged.expected.get(id).map_or("", String::as_str);
    (
        verdict,
        "red".into(),
        around(&message(drill, id), reason),
        0,
    )
}

/// A text, as much of it as stands in a row, with this in it.
pub(super) fn around(text: &str, this: &str) -> String {
    let at = text.find(&on_one_line(this)).unwrap_or_default();
    let before = text[..at].chars().count();
    match before.saturating_sub(MESSAGE / 3) {
        0 => cut(text, MESSAGE),
        skipped => {
            let rest: String = text.chars().skip(skipped).collect();
            format!("…{}", cut(&rest, MESSAGE))
        }
    }
}

/// As it stands in a cell: a `|` would end it.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

fn code(text: &str) -> String {
    format!("`{text}`")
}

fn told(run: &RunSummary) -> String {
    let places = run.drills.iter().map(|drill| &drill.variant);
    let places = places.filter(|it| !it.runtime.is_empty());
    let places: BTreeSet<String> = places.map(place).collect();
    let places: Vec<String> = places.into_iter().collect();
    format!(
        "- {} on {}, began {}, judged by pgdrill {}: {}\n",
        count(run.drills.len(), "drill"),
        places.join(", "),
        to_the_second(&run.began),
        run.pgdrill,
        run.outcome.word(),
    )
}

/// A wall time without its fraction.
fn to_the_second(time: &str) -> String {
    let whole = time.split_once('.');
    whole.map_or_else(|| time.to_owned(), |(second, _)| format!("{second}Z"))
}

fn summary(rows: &[Row]) -> String {
    let of = |what: &str, is: &dyn Fn(&Row) -> bool| {
        let n = rows.iter().filter(|row| is(row)).count();
        (n > 0).then(|| format!("{n} {what}"))
    };
    let came_out =
        |verdict| move |row: &Row| matches!(row, Row::Tested(..)) && row.verdict() == Some(verdict);
    let parts = [
        of("kept", &came_out(Verdict::Pass)),
        of("not kept", &came_out(Verdict::Fail)),
        of("could not be told", &came_out(Verdict::Unknown)),
        of("not drilled", &|row| matches!(row, Row::Untested(_))),
        of("open", &|row| matches!(row, Row::Open(_))),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    format!("{}: {}", count(rows.len(), "promise"), parts.join(", "))
}
