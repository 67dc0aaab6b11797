//! `junit.xml` against what CI systems read.

use std::collections::BTreeMap;

use pgdrill::{
    event::Moment, observation::Observation, report::write_run, scenario::plan::CheckKind,
};

use super::{
    fixtures::{careless, no_archive_timeout, restore_failed},
    place,
    testing::salvage,
    write,
};

type Words = &'static [&'static str];
type Rule = (&'static str, Words, Words, Words);

/// What the schemas of Jenkins and Surefire allow: element → children, attributes that must
/// be there, attributes that may be.
const ALLOWED: [Rule; 9] = [
    (
        "testsuites",
        &["testsuite"],
        &[],
        &["name", "tests", "failures", "errors", "time"],
    ),
    (
        "testsuite",
        &["properties", "testcase", "system-out", "system-err"],
        &["name", "tests", "failures", "errors"],
        &["skipped", "time", "timestamp"],
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
fn walk(xml: &str) -> BTreeMap<String, usize> {
    let mut open: Vec<String> = Vec::new();
    let mut seen = BTreeMap::new();
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
    evil.plan.checks.retain(|kind| *kind != CheckKind::Amcheck);
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
