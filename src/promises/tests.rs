use std::path::Path;

use super::*;
use crate::{
    check::testing::lost_server,
    finding::Verdict,
    history::planned,
    report::DrillReport,
    scenario::{self, plan::Plan},
};

fn systems(text: &str) -> Vec<System> {
    serde_saphyr::from_str(text).unwrap()
}

/// A run of one drill, whose server was lost.
fn summary() -> RunSummary {
    let place = tempfile::tempdir().unwrap();
    let fixture = lost_server();
    let dir = place.path().join("drills").join(&fixture.plan.drill);
    planned::write(place.path(), [fixture.plan.drill.as_str()], Vec::new()).unwrap();
    fixture.write(&dir);
    crate::report::write_run(place.path()).unwrap()
}

#[test]
fn a_table_has_the_worst_figure_of_several_drills_and_says_where_it_was_measured() {
    let mut runs = vec![summary(), summary()];
    let drill = |run: &mut RunSummary, at: u32, us| {
        let drill: &mut DrillReport = &mut run.drills[0];
        drill.variant.runtime = "docker".into();
        drill.variant.postgres = at;
        drill
            .measures
            .iter_mut()
            .for_each(|it| it.rpo.measured_us = Some(us));
        drill.judged.outcome = Verdict::Pass;
        drill
            .findings
            .iter_mut()
            .for_each(|it| it.verdict = Verdict::Pass);
    };
    drill(&mut runs[0], 17, 2_000_000);
    drill(&mut runs[1], 15, 1_000_000);
    runs[1].drills[0].judged.outcome = Verdict::Fail;
    let of = &runs[0].drills[0];
    let workload = of.measures[0].workload.clone();
    let text = format!(
        "- system: S\n  about: one\n  promises:\n    \
         - {{ promise: \"a | b\", scenario: {0}, by: {{ rpo: {workload} }} }}\n    \
         - {{ promise: holds, scenario: {0}, by: {{ finding: steps }} }}\n    \
         - {{ promise: red, scenario: {0}, by: {{ red: steps }} }}\n    \
         - {{ promise: all, scenario: {0} }}\n    \
         - {{ promise: elsewhere, scenario: another }}\n    \
         - {{ promise: later, open: not yet }}\n",
        of.scenario
    );
    let table = table(&systems(&text), &runs);
    insta::assert_snapshot!(format!("{}\n{}", table.summary, table.markdown));
    assert_eq!(table.verdict, Verdict::Fail);
}

#[test]
fn what_is_told_of_a_red_has_its_reason_in_it() {
    use super::table::around;
    let text = format!("{} größe: gone {}", "x".repeat(300), "y".repeat(300));
    let told = around(&text, "größe: gone");
    assert!(
        told.contains("größe: gone") && told.chars().count() <= 121,
        "{told}"
    );
    assert_eq!(around("all of it", "of"), "all of it");
    assert_eq!(around("all of it", "nowhere"), "all of it");
}

#[test]
fn what_is_no_promise_is_refused_with_its_place() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("promises.yaml");
    std::fs::write(&file, "- system: S\n  about: one\n  promise: []\n").unwrap();
    let said = read(Some(&file)).unwrap_err().to_string();
    assert!(
        said.contains("promises.yaml") && said.contains("promise"),
        "{said}"
    );
    let said = read(Some(Path::new("/nowhere"))).unwrap_err().to_string();
    assert!(said.contains("/nowhere"), "{said}");
}

/// A row of the table shows something only where its drill is there and has what it asks for.
#[test]
fn every_shipped_promise_names_a_shipped_drill_and_a_result_that_it_has() {
    let plans = scenario::load(&[], &[17]).unwrap().plans;
    for promise in read(None).unwrap().iter().flat_map(|one| &one.promises) {
        let Proof::Drilled { scenario, by } = &promise.proof else {
            continue;
        };
        let plan = plans.iter().find(|plan| plan.scenario == *scenario);
        let plan = plan.unwrap_or_else(|| panic!("no scenario `{scenario}`"));
        assert!(has(plan, by.as_ref()), "{scenario} has no {by:?}");
    }
}

/// Its figures are of a run; a promise that was added since is in it once a run is told of again.
#[test]
fn the_table_of_the_docs_has_every_shipped_promise() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/promises.md");
    let page = std::fs::read_to_string(page).unwrap();
    let systems = read(None).unwrap();
    let all = systems.iter().flat_map(|one| &one.promises);
    let first = |line: &str| {
        line.strip_prefix("| ")?
            .split(" | ")
            .next()
            .map(str::to_owned)
    };
    let rows = page.lines().filter(|line| !line.starts_with("| promise |"));
    let rows: Vec<String> = rows.filter_map(first).collect();
    let all: Vec<String> = all.map(|one| one.promise.clone()).collect();
    assert_eq!(
        rows, all,
        "`pgdrill promises RUN… > docs/promises.md` writes it anew"
    );
}

fn has(plan: &Plan, by: Option<&By>) -> bool {
    let objectives = |workload: &str| plan.objectives.get(workload);
    let is_red = |id: &str| plan.expect.fail.contains_key(id);
    match by {
        None => true,
        Some(By::Rpo(of)) => objectives(of).is_some_and(|it| it.rpo.is_some()),
        Some(By::Rto(of)) => objectives(of).is_some_and(|it| it.rto.is_some()),
        Some(By::Outage(of)) => objectives(of).is_some_and(|it| it.outage.is_some()),
        Some(By::Finding(id)) => !is_red(id),
        Some(By::Red(id)) => is_red(id),
    }
}
