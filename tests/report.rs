//! Reports of whole runs: written, read again, valid, and the same when judged again.

#[path = "../src/check/testing/mod.rs"]
mod testing;

use std::path::{Path, PathBuf};

use pgdrill::{
    event::Moment,
    finding::Verdict,
    observation::Observation,
    report::{RunSummary, write_run},
};
use testing::{SECOND, Tale, lost_server, salvage};

/// A server lost when nothing had been archived for 8 s, which is 8 min at scale 60.
fn no_archive_timeout() -> Tale {
    let mut tale = lost_server();
    tale.plan.drill = "as-written-no-archive-timeout-pg17".into();
    tale.plan.scenario = "as-written-no-archive-timeout".into();
    tale.plan.about = "As the runbook has it, without `archive_timeout`: the OA's last \
        segment was still open when the server was lost."
        .into();
    tale.plan.strategy.settings.clear();
    tale.plan.strategy.name = "no-archive-timeout".into();
    tale.plan.objectives.remove("agent");
    let fail = [
        ("rpo.oa", "objective 5m"),
        ("projected-rpo.oa", "no `archive_timeout`"),
        ("ledger.agent", "no RPO objective"),
    ];
    tale.plan.expect.fail = fail
        .into_iter()
        .map(|(id, text)| (id.to_owned(), text.to_owned()))
        .collect();
    tale.readback
        .retain(|one| one.acked_us <= 4 * SECOND || one.acked_us > 121 * SECOND / 10);
    // One row in a hundred as fast: WAL that takes hours to fill a segment.
    for record in &mut tale.ledger {
        record.lsn = 0x200_0000 + record.acked_us / 100_000 * 8;
    }
    tale
}

/// A salvage after which things are wrong.
fn careless() -> Tale {
    let mut tale = salvage().bend(Moment::After, |seen| match seen {
        Observation::Tables(tables) => {
            tables.get_mut("app.users").unwrap().rows = 187;
            tables.get_mut("app.users").unwrap().digest = "0e".into();
        }
        Observation::Privileges(lines) => {
            lines.remove(0);
        }
        Observation::Business(results) => {
            results[0].got = "42501 permission denied for table users".into()
        }
        Observation::Sequences(sequences) => sequences[0].next = 12,
        _other => {}
    });
    tale.plan.drill = "agent-rows-deleted-pg17".into();
    tale.plan.scenario = "agent-rows-deleted".into();
    tale.readback.truncate(tale.readback.len() - 12);
    tale
}

fn restore_failed() -> Tale {
    let why = "`pg_ctl start` in scratch failed with exit code 1\nlast lines of the log:\n\
        FATAL:  using recovery command file \"recovery.conf\" is not supported\n\
        hint: recovery is asked for by `recovery.signal` from version 12 on";
    let mut tale = salvage().failing_at(4, why);
    tale.plan.drill = "as-written-recovery-conf-pg17".into();
    tale
}

fn write(run: &Path, tales: &[Tale]) {
    for tale in tales {
        tale.write(&run.join("drills").join(&tale.plan.drill));
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

type Words = &'static [&'static str];
type Rule = (&'static str, Words, Words, Words);

/// What the schemas of Jenkins and Surefire allow: element → children, attributes that must
/// be there, attributes that may be.
const ALLOWED: [Rule; 9] = [
    (
        "testsuites",
        &["testsuite"],
        &[],
        &["name", "tests", "failures", "errors", "skipped", "time"],
    ),
    (
        "testsuite",
        &["properties", "testcase", "system-out", "system-err"],
        &["name", "tests", "failures", "errors"],
        &["skipped", "disabled", "time", "timestamp"],
    ),
    ("properties", &["property"], &[], &[]),
    ("property", &[], &["name", "value"], &[]),
    (
        "testcase",
        &["failure", "error", "skipped", "system-out"],
        &["name", "classname"],
        &["time"],
    ),
    ("failure", &[], &[], &["message", "type"]),
    ("error", &[], &[], &["message", "type"]),
    ("skipped", &[], &[], &["message"]),
    ("system-out", &[], &[], &[]),
];

/// Walks an XML text and holds every element against [`ALLOWED`]; returns how many of each.
fn walk(xml: &str) -> std::collections::BTreeMap<String, usize> {
    let mut open: Vec<String> = Vec::new();
    let mut seen = std::collections::BTreeMap::new();
    for tag in xml.split('<').skip(1) {
        let (tag, _text) = tag.split_once('>').expect("a tag ends");
        if tag.starts_with('?') {
            continue;
        }
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name));
            continue;
        }
        let name = tag.split([' ', '/']).next().unwrap();
        let rule = ALLOWED.iter().find(|(allowed, ..)| *allowed == name);
        let (_, _, must, may) = rule.unwrap_or_else(|| panic!("<{name}> is not allowed"));
        if let Some(parent) = open.last() {
            let (_, children, ..) = ALLOWED.iter().find(|(one, ..)| one == parent).unwrap();
            assert!(children.contains(&name), "<{name}> in <{parent}>");
        }
        let attributes: Vec<&str> = tag.split('"').step_by(2).filter_map(attribute).collect();
        assert!(must.iter().all(|one| attributes.contains(one)), "{tag}");
        assert!(
            attributes
                .iter()
                .all(|one| must.contains(one) || may.contains(one)),
            "{tag}"
        );
        *seen.entry(name.to_owned()).or_insert(0) += 1;
        if !tag.ends_with('/') {
            open.push(name.to_owned());
        }
    }
    assert!(open.is_empty(), "{open:?}");
    seen
}

fn attribute(before_value: &str) -> Option<&str> {
    Some(
        before_value
            .strip_suffix('=')?
            .rsplit(' ')
            .next()
            .unwrap_or_default(),
    )
}

#[test]
fn junit_is_what_ci_systems_read() {
    let run = place("junit");
    let mut evil = careless();
    evil.plan
        .checks
        .retain(|kind| *kind != pgdrill::scenario::plan::CheckKind::Amcheck);
    let poison = "]]></system-out><testcase name='forged'/> \u{0}\u{8}\u{1b}[31m\u{fffe}\u{ffff} & \"quoted\"";
    evil = evil.bend(Moment::After, |seen| {
        if let Observation::Business(results) = seen {
            results[1].got = poison.into();
        }
    });
    evil.plan.drill = format!("evil {poison}").replace('/', "");
    evil.write(&run.join("drills/evil"));
    write(&run, &[salvage(), no_archive_timeout(), restore_failed()]);
    let summary = write_run(&run).unwrap();
    let xml = std::fs::read_to_string(run.join("junit.xml")).unwrap();
    let legal = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    assert!(xml.chars().all(legal));
    let seen = walk(&xml);
    assert_eq!(seen["testsuite"], summary.drills.len());
    let findings: usize = summary
        .drills
        .iter()
        .map(|one| one.findings.len() + one.skipped.len() + 1)
        .sum();
    assert_eq!(seen["testcase"], findings);
    assert_eq!(seen["skipped"], 1);
    assert!(seen["failure"] > 0 && seen["error"] > 0 && seen["property"] > 0);
    let as_written = xml
        .split("<testsuite ")
        .find(|suite| suite.contains("no-archive-timeout"))
        .unwrap();
    assert!(
        as_written.contains("failures=\"0\"") && as_written.contains("as the scenario expects")
    );
}

#[test]
fn analyze_goes_by_the_outcome() {
    let analyze = |run: &Path| {
        let mut command = assert_cmd::Command::cargo_bin("pgdrill").unwrap();
        command
            .arg("analyze")
            .arg(run)
            .env("NO_COLOR", "1")
            .assert()
    };
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

/// What is committed of old runs must be judged as it was: the format of histories and
/// ledgers is kept.
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
    let judgement = pgdrill::check::judge(dir, |_plan| vec![]).unwrap();
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
    for tale in [
        salvage(),
        lost_server(),
        no_archive_timeout(),
        restore_failed(),
    ] {
        let dir = histories.join(tale.plan.drill.trim_end_matches("-pg17"));
        let _ = std::fs::remove_dir_all(&dir);
        tale.write(&dir);
        std::fs::write(dir.join("judgement.txt"), judgement(&dir)).unwrap();
    }
}
