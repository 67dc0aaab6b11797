//! `junit.xml`: a suite a drill, a case a finding; figures and objectives as properties.
//!
//! Fail is `<failure>`, unknown is `<error>`, not made is `<skipped>`. A finding that the
//! scenario expects to fail, and that failed for the named reason, is a passing case whose
//! output says so: CI goes by the outcome.

use std::time::Duration;

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::{DrillReport, RunSummary};
use crate::{
    finding::{Finding, Verdict},
    history::planned::Skipped,
    measure::{WorkloadMeasures, rto::phase_word},
};

pub fn render(run: &RunSummary) -> Result<String, quick_junit::SerializeError> {
    let mut report = Report::new(clean(&format!("pgdrill {}", run.run)));
    for drill in &run.drills {
        report.add_test_suite(suite(drill));
    }
    for skipped in &run.skipped {
        report.add_test_suite(suite_of_skipped(skipped));
    }
    report.to_string().map(|xml| without_skipped(&xml, &report))
}

/// Jenkins' schema (`junit-10.xsd`) knows `skipped` of suites, not of their root, which comes
/// first.
fn without_skipped(xml: &str, report: &Report) -> String {
    xml.replacen(&format!(" skipped=\"{}\"", report.skipped), "", 1)
}

fn suite(drill: &DrillReport) -> TestSuite {
    let mut suite = TestSuite::new(clean(&drill.drill));
    suite.set_time(Duration::from_micros(drill.took_us));
    if let Some(timestamp) = timestamp(&drill.began) {
        suite.extra.insert("timestamp".into(), timestamp.into());
    }
    for (name, value) in properties(drill) {
        suite.add_property((clean(&name), clean(&value)));
    }
    suite.add_test_case(expectation(drill));
    for finding in &drill.findings {
        suite.add_test_case(case(drill, finding));
    }
    for (check, why) in &drill.skipped {
        let mut status = TestCaseStatus::skipped();
        status.set_message(clean(why));
        suite.add_test_case(named(drill, check, status));
    }
    suite
}

/// A drill that was not performed: one case, skipped.
fn suite_of_skipped(skipped: &Skipped) -> TestSuite {
    let mut suite = TestSuite::new(clean(&skipped.drill));
    let mut status = TestCaseStatus::skipped();
    status.set_message(clean(&skipped.why));
    let mut case = TestCase::new("outcome", status);
    case.set_classname(clean(&format!("pgdrill.{}", skipped.drill)));
    case.set_time(Duration::ZERO);
    suite.add_test_case(case);
    suite
}

/// ISO 8601 without zone and fraction, the one form every reader of JUnit takes.
fn timestamp(began: &str) -> Option<String> {
    let at: jiff::Timestamp = began.parse().ok()?;
    Some(at.strftime("%Y-%m-%dT%H:%M:%S").to_string())
}

fn named(drill: &DrillReport, name: &str, status: TestCaseStatus) -> TestCase {
    let mut case = TestCase::new(clean(name), status);
    case.set_classname(clean(&format!("pgdrill.{}", drill.scenario)));
    case.set_time(Duration::ZERO);
    case
}

/// The drill's outcome as a case: red when it is not as expected.
fn expectation(drill: &DrillReport) -> TestCase {
    let text = drill.judged.reasons.join("\n");
    let first = text.lines().next().unwrap_or("as expected");
    named(drill, "outcome", status(drill.judged.outcome, first, &text))
}

fn case(drill: &DrillReport, finding: &Finding) -> TestCase {
    let as_expected = is_as_expected(drill, finding);
    let verdict = if as_expected {
        Verdict::Pass
    } else {
        finding.verdict
    };
    let details = finding.details.join("\n");
    let mut case = named(
        drill,
        &finding.id,
        status(verdict, &finding.message, &details),
    );
    let said = if as_expected {
        format!(
            "{} as the scenario expects: {}\n{details}",
            finding.verdict.word(),
            finding.message
        )
    } else {
        format!("{}\n{details}", finding.message)
    };
    if verdict == Verdict::Pass {
        case.set_system_out(clean(said.trim_end()));
    }
    case
}

/// Red, but the scenario says so; or unknown because of one that is.
fn is_as_expected(drill: &DrillReport, finding: &Finding) -> bool {
    let judged = &drill.judged;
    match finding.verdict {
        Verdict::Pass => false,
        Verdict::Fail => judged.met.contains(&finding.id),
        Verdict::Unknown => judged.outcome == Verdict::Pass,
    }
}

fn status(verdict: Verdict, message: &str, description: &str) -> TestCaseStatus {
    let (kind, word) = match verdict {
        Verdict::Pass => return TestCaseStatus::success(),
        Verdict::Fail => (NonSuccessKind::Failure, "fail"),
        Verdict::Unknown => (NonSuccessKind::Error, "unknown"),
    };
    let mut status = TestCaseStatus::non_success(kind);
    status.set_message(clean(message));
    status.set_type(word);
    status.set_description(clean(description));
    status
}

fn properties(drill: &DrillReport) -> Vec<(String, String)> {
    let judged = &drill.judged;
    let variant = &drill.variant;
    let mut all = vec![
        ("verdict".into(), judged.verdict.word().into()),
        ("outcome".into(), judged.outcome.word().into()),
        ("postgres".into(), variant.postgres.to_string()),
        ("runtime".into(), variant.runtime.clone()),
        ("strategy".into(), variant.strategy.clone()),
        ("scale".into(), variant.scale.to_string()),
        ("seed".into(), variant.seed.to_string()),
        ("scenario.file".into(), drill.file.clone()),
    ];
    for (workload, demanded) in &drill.objectives {
        let demands = demanded.demands().into_iter();
        all.extend(demands.map(|(what, value)| (format!("objective.{what}.{workload}"), value)));
    }
    all.extend(drill.measures.iter().flat_map(figures));
    all.extend(drill.overhead.iter().flat_map(|overhead| {
        let own = overhead.own_us as f64 / 1e6;
        [
            ("measured.overhead.seconds".into(), format!("{own:.6}")),
            (
                "measured.overhead.share".into(),
                format!("{:.4}", overhead.share()),
            ),
        ]
    }));
    let versions = variant.versions.iter();
    all.extend(versions.map(|(tool, version)| (format!("version.{tool}"), version.clone())));
    all
}

/// The figures of a workload: times in seconds of the drill; `unknown` where not measured.
fn figures(measures: &WorkloadMeasures) -> Vec<(String, String)> {
    let seconds = |us: Option<u64>| {
        us.map_or_else(
            || "unknown".to_owned(),
            |us| format!("{:.6}", us as f64 / 1e6),
        )
    };
    let times = [
        ("measured.rpo", measures.rpo.measured_us),
        ("measured.rto", measures.rto.measured_us),
        ("measured.outage", measures.outage.measured_us),
        ("projected.rpo", measures.projected.us),
    ];
    let times = times.map(|(what, us)| (what.to_owned(), us));
    let spans = measures.rto.spans.iter().map(|span| {
        let phase = phase_word(span.phase).replace(' ', "-");
        (format!("measured.rto.{phase}"), Some(span.us))
    });
    let name = &measures.workload;
    let lost = measures.rpo.transactions.to_string();
    let figures = times.into_iter().chain(spans);
    figures
        .map(|(what, us)| (format!("{what}.seconds.{name}"), seconds(us)))
        .chain([(format!("measured.rpo.transactions.{name}"), lost)])
        .collect()
}

/// Without U+FFFE and U+FFFF, which XML 1.0 can't hold; quick-junit strips the controls and
/// the terminal's escapes itself.
fn clean(text: &str) -> String {
    text.chars()
        .filter(|c| !matches!(c, '\u{fffe}' | '\u{ffff}'))
        .collect()
}
