//! Reports of whole runs: written, read again, valid, and the same when judged again.

mod fixtures;
mod junit;
#[path = "../../src/check/testing/mod.rs"]
mod testing;

use std::path::{Path, PathBuf};

use fixtures::{careless, no_archive_timeout, restore_failed};
use pgdrill::{
    finding::Verdict,
    history::{files, planned},
    report::{RunSummary, annotations, markdown, write_run},
};
use testing::{HistoryFixture, lost_server, salvage};

fn write(run: &Path, fixtures: &[HistoryFixture]) {
    std::fs::create_dir_all(run).unwrap();
    planned::write(
        run,
        fixtures.iter().map(|fixture| fixture.plan.drill.as_str()),
        Vec::new(),
    )
    .unwrap();
    for fixture in fixtures {
        fixture.write(&run.join("drills").join(&fixture.plan.drill));
    }
}

/// A directory that is there again and again, to be looked at.
fn place(name: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&dir);
    dir
}

#[test]
fn a_run_is_as_bad_as_its_worst_drill() {
    let run = place("mixed-run");
    write(
        &run,
        &[
            salvage(),
            lost_server(),
            no_archive_timeout(),
            careless(),
            restore_failed(),
        ],
    );
    let summary = write_run(&run).unwrap();
    let outcome = |name: &str| {
        summary
            .drills
            .iter()
            .find(|one| one.drill == name)
            .map(|one| one.judged.outcome)
    };
    assert_eq!(outcome("oa-table-dropped-pg17"), Some(Verdict::Pass));
    assert_eq!(outcome("server-lost-pg17"), Some(Verdict::Pass));
    assert_eq!(outcome("agent-rows-deleted-pg17"), Some(Verdict::Fail));
    assert_eq!(
        outcome("as-written-recovery-conf-pg17"),
        Some(Verdict::Fail)
    );
    let as_written = summary
        .drills
        .iter()
        .find(|one| one.drill.contains("no-archive"))
        .unwrap();
    assert_eq!(as_written.judged.reasons, Vec::<String>::new());
    assert_eq!(
        (as_written.judged.verdict, as_written.judged.outcome),
        (Verdict::Fail, Verdict::Pass)
    );
    assert_eq!(summary.outcome, Verdict::Fail);
}

#[test]
fn a_run_judged_again_gives_the_same_reports() {
    let run = place("again");
    write(&run, &[salvage(), lost_server()]);
    let first = write_run(&run).unwrap();
    let read = |name: &str| std::fs::read_to_string(run.join(name)).unwrap();
    let before = ["run.json", "junit.xml", "report.html"].map(read);
    assert_eq!(write_run(&run).unwrap(), first);
    assert_eq!(["run.json", "junit.xml", "report.html"].map(read), before);
    let parsed: RunSummary = serde_json::from_str(&before[0]).unwrap();
    assert_eq!(parsed, first);
}

#[test]
fn a_drill_that_cannot_be_read_makes_the_run_unknown() {
    let run = place("unreadable");
    write(&run, &[salvage()]);
    std::fs::create_dir_all(run.join("drills/broken")).unwrap();
    let summary = write_run(&run).unwrap();
    assert_eq!(summary.outcome, Verdict::Unknown);
}

#[test]
fn a_drill_that_the_run_planned_and_that_is_gone_is_named() {
    let run = place("gone");
    write(&run, &[salvage(), lost_server()]);
    std::fs::remove_dir_all(run.join("drills/server-lost-pg17")).unwrap();
    let summary = write_run(&run).unwrap();
    assert_eq!(summary.outcome, Verdict::Unknown);
    let gone = &summary.drills[1];
    let told = "`drills/server-lost-pg17` is missing";
    assert_eq!(gone.drill, "server-lost-pg17");
    assert!(gone.judged.reasons[0].contains(told));
}

#[test]
fn a_drill_that_could_not_be_performed_there_is_told_and_counts_for_nothing() {
    let run = place("skipped");
    write(&run, &[salvage()]);
    let skipped = vec![planned::Skipped {
        drill: "chain-pg15".into(),
        why: "backup `main` needs PostgreSQL ≥ 17".into(),
    }];
    planned::write(&run, ["oa-table-dropped-pg17"], skipped).unwrap();
    let summary = write_run(&run).unwrap();
    assert_eq!(summary.outcome, Verdict::Pass);
    let read = |name: &str| std::fs::read_to_string(run.join(name)).unwrap();
    let junit = read("junit.xml");
    let case = "<skipped message=\"backup `main` needs PostgreSQL ≥ 17\"/>";
    assert!(junit.contains(case), "{junit}");
    let html = read("report.html");
    for told in ["1 drill · 1 pass, 1 skipped", "<code>chain-pg15</code>"] {
        assert!(html.contains(told), "{told}");
    }
}

#[test]
fn a_run_of_an_older_format_is_refused_and_left_as_it_is() {
    let run = place("older");
    write(&run, &[salvage()]);
    write_run(&run).unwrap();
    let history = run
        .join("drills/oa-table-dropped-pg17")
        .join(files::HISTORY);
    let old = std::fs::read_to_string(&history).unwrap();
    let format = format!("\"format\":{},", pgdrill::history::FORMAT);
    std::fs::write(&history, old.replacen(&format, "", 1)).unwrap();
    let report = std::fs::read(run.join("run.json")).unwrap();
    let refused = analyze(&run).code(64).get_output().clone();
    let told = String::from_utf8(refused.stderr).unwrap();
    for part in ["history.jsonl: line 1: a history of format 1", "hint: "] {
        assert!(told.contains(part), "{told}");
    }
    assert_eq!(std::fs::read(run.join("run.json")).unwrap(), report);
    std::fs::write(&history, old).unwrap();
    std::fs::remove_file(run.join(planned::FILE)).unwrap();
    analyze(&run).code(64);
}

#[test]
fn a_run_without_drills_is_an_error_with_a_hint() {
    let error = write_run(&place("nothing")).unwrap_err().to_string();
    assert!(
        error.contains("drills") && error.contains("hint"),
        "{error}"
    );
}

#[test]
fn the_page_needs_no_network_and_no_script() {
    let run = place("page");
    write(&run, &[salvage(), careless()]);
    write_run(&run).unwrap();
    let page = std::fs::read_to_string(run.join("report.html")).unwrap();
    for forbidden in [
        "<script", "http://", "https://", "src=", "@import", "url(http",
    ] {
        assert!(!page.contains(forbidden), "{forbidden}");
    }
    for wanted in [
        "<title>",
        "<desc",
        "prefers-color-scheme",
        "@media print",
        "<summary>",
    ] {
        assert!(page.contains(wanted), "{wanted}");
    }
}

#[test]
fn the_page_calls_no_recovery_shown_to_work_that_was_expected_to_fail() {
    for (name, fixtures, headline) in [
        (
            "worked",
            vec![salvage()],
            "Pass: recovery was shown to work",
        ),
        (
            "expected",
            vec![salvage(), no_archive_timeout()],
            "Pass: every drill came out as its scenario expects",
        ),
    ] {
        let run = place(&format!("headline-{name}"));
        write(&run, &fixtures);
        write_run(&run).unwrap();
        let page = std::fs::read_to_string(run.join("report.html")).unwrap();
        assert!(page.contains(&format!("<h1>{headline}</h1>")), "{headline}");
    }
}

fn analyze(run: &Path) -> assert_cmd::assert::Assert {
    let mut command = assert_cmd::Command::cargo_bin("pgdrill").unwrap();
    command
        .arg("analyze")
        .arg(run)
        .env("NO_COLOR", "1")
        .assert()
}

#[test]
fn analyze_goes_by_the_outcome() {
    let good = place("analyze-good");
    write(&good, &[salvage(), no_archive_timeout()]);
    let output = analyze(&good).code(0).get_output().clone();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.contains("2 drills: 2 pass") && !text.contains('\u{1b}'),
        "{text}"
    );
    assert!(
        text.lines()
            .filter(|line| !line.starts_with("report:"))
            .all(|line| line.chars().count() <= 80),
        "{text}"
    );
    let bad = place("analyze-bad");
    write(&bad, &[salvage(), careless()]);
    analyze(&bad).code(1);
    let open = place("analyze-open");
    write(
        &open,
        &[salvage().without(|kind| matches!(kind, pgdrill::event::EventKind::DrillEnded { .. }))],
    );
    analyze(&open).code(2);
    analyze(Path::new("no/such/run")).code(64);
}

/// What is committed of old runs must be judged as it was, as long as the format of histories
/// keeps its number.
#[test]
fn old_histories_are_judged_as_they_were() {
    let histories = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/histories");
    let mut judged = 0;
    for entry in std::fs::read_dir(histories).unwrap() {
        let dir = entry.unwrap().path();
        let expected = std::fs::read_to_string(dir.join("judgement.txt")).unwrap();
        assert_eq!(judgement(&dir), expected, "{}", dir.display());
        judged += 1;
    }
    assert!(judged >= 4);
}

/// A line a finding, and the outcome.
fn judgement(dir: &Path) -> String {
    let judgement = pgdrill::check::judge(dir).unwrap();
    let line = |one: &pgdrill::finding::Finding| {
        format!("{} {}: {}\n", one.verdict.word(), one.id, one.message)
    };
    let findings: String = judgement.findings.iter().map(line).collect();
    format!("{findings}outcome: {}\n", judgement.outcome.verdict.word())
}

#[test]
#[ignore = "writes fixtures/histories anew, when the format has changed on purpose"]
fn write_histories() {
    let histories = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/histories");
    for fixture in [
        salvage(),
        lost_server(),
        no_archive_timeout(),
        restore_failed(),
    ] {
        let dir = histories.join(fixture.plan.drill.trim_end_matches("-pg17"));
        let _ = std::fs::remove_dir_all(&dir);
        fixture.write(&dir);
        std::fs::write(dir.join("judgement.txt"), judgement(&dir)).unwrap();
    }
}

/// As the page of a job shows it: what is wrong stands below the table of all.
#[test]
fn a_job_is_told_what_is_wrong() {
    let run = place("job");
    let drills = [
        salvage(),
        lost_server(),
        no_archive_timeout(),
        careless(),
        restore_failed(),
    ];
    write(&run, &drills);
    let summary = write_run(&run).unwrap();
    insta::assert_snapshot!("summary.md", markdown::render(&summary));
    insta::assert_snapshot!("annotations", annotations::render(&summary).join("\n"));
    let run = place("job-without-anything-wrong");
    write(&run, &[salvage()]);
    let good = write_run(&run).unwrap();
    assert!(annotations::render(&good).is_empty());
    assert!(!markdown::render(&good).contains("###"));
}
