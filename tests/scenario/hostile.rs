//! Input of any kind: refused in few words, and without a crash.

use super::*;

#[test]
fn an_unsupported_major_is_refused() {
    let output = pgdrill(&["plan", "server-lost", "--postgres", "9"]);
    assert_eq!(output.status.code(), Some(64));
    assert!(String::from_utf8_lossy(&output.stderr).contains("PostgreSQL 9"));
}

#[test]
fn a_tree_of_any_size_is_read_without_a_crash() {
    let deep = format!("a: {}", "[".repeat(20_000));
    let long = format!("name: {}", "x".repeat(1_000_000));
    for text in [
        deep,
        long,
        String::new(),
        "\u{0}".into(),
        "- ".repeat(5_000),
    ] {
        let source = Source {
            path: "x.yaml".into(),
            text,
        };
        assert!(scenario::plans_of(source, &[]).is_err());
    }
}

/// Whatever is quoted of a file, its message can be read: of a long value the beginning is shown.
#[test]
fn a_message_is_short_however_long_the_value() {
    let file = "scenarios/s0/server-lost.yaml";
    let good = fs::read_to_string(file).unwrap();
    let long = "x".repeat(100_000);
    let lines = [
        format!("checks: [{long}]"),
        format!("checks: {long}"),
        format!("name: {long}"),
        format!("scale: {long}"),
        format!("strategy: {long}"),
        format!("{long}: 1"),
        format!("data: {{ model: {long}, size: 20MB }}"),
        format!("data: {{ model: dual-tenant, size: {long} }}"),
        format!("workloads: {{ oa: {{ clients: 1, rate: {long} }} }}"),
        format!("objectives: {{ {long}: {{ rpo: 5m }} }}"),
        format!("steps: [{long}]"),
        format!("steps: [verify: {long}]"),
        format!("steps: [run: {long}]"),
        format!("steps: [{long}: {{}}]"),
        format!("steps: [restore: {{ into: a, target: {{ lsn: {long} }} }}]"),
        format!("steps: [restore: {{ into: a, target: {{ time: {long} }} }}]"),
        format!("about: *{long}"),
        format!("about: !{long} a"),
    ];
    for line in lines {
        let text = with_line(&good, &line);
        let path = file.to_owned();
        let problems = scenario::plans_of(Source { path, text }, &[]).unwrap_err();
        for problem in problems.0 {
            let told = problem.to_string();
            let start: String = told.chars().take(1000).collect();
            assert_eq!(told, start, "{}", &line[..40]);
        }
    }
}

/// A scenario with another line, or block, for a key of its own.
fn with_line(good: &str, line: &str) -> String {
    let key = &line[..line.find(':').map_or(0, |end| end + 1)];
    let mut kept = true;
    let others = good.lines().filter(|old| {
        if !old.starts_with([' ', '-', '#']) {
            kept = !old.starts_with(key);
        }
        kept
    });
    let all: Vec<&str> = others.chain([line]).collect();
    all.join("\n")
}

/// Whatever a person mistypes is refused with a place or accepted: it never crashes, and
/// what the schema lets through the types take.
#[test]
fn mistyped_scenarios_are_refused_with_a_place() {
    for source in scenario::select::find(&["quick".into(), "database-dropped".into()]).unwrap() {
        for text in mistyped(&source.text) {
            let path = source.path.clone();
            let Err(problems) = scenario::plans_of(
                Source {
                    path,
                    text: text.clone(),
                },
                &[],
            ) else {
                continue;
            };
            for problem in problems.0 {
                assert!(problem.place.line > 0, "{problem}\n{text}");
                assert!(
                    !problem.message.contains(scenario::GAP),
                    "{problem}\n{text}"
                );
            }
        }
    }
}

/// Every line left out, doubled, and with other values.
fn mistyped(text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().collect();
    let with = |index: usize, new: &[String]| {
        let old = lines.iter().map(|l| (*l).to_owned());
        let mut all: Vec<String> = old.collect();
        all.splice(index..=index, new.iter().cloned());
        all.join("\n")
    };
    let values = [
        "7", "-1.5", "x", "true", "[]", "{}", "", "[x, 1]", "{ a: 1 }", "'",
    ];
    let mut texts = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        texts.push(with(index, &[]));
        texts.push(with(index, &[(*line).to_owned(), (*line).to_owned()]));
        for (at, _) in line.match_indices(": ") {
            texts.extend(values.map(|v| with(index, &[format!("{}: {v}", &line[..at])])));
        }
    }
    texts
}

#[test]
fn what_is_no_file_of_a_person_is_refused_and_not_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let place = |name: &str| dir.path().join(name).display().to_string();
    nix::unistd::mkfifo(&dir.path().join("pipe.yaml"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    std::os::unix::fs::symlink("/dev/zero", dir.path().join("zero.sql")).unwrap();
    let file = fs::File::create(dir.path().join("large.yaml")).unwrap();
    file.set_len(scenario::select::LARGEST + 1).unwrap();
    let own = fs::read_to_string("scenarios/s0/own-sql-server-lost.yaml").unwrap();
    let sql = own.lines().find(|line| line.contains("sql:")).unwrap();
    let zero = own.replace(sql, "      sql: zero.sql");
    fs::write(dir.path().join("own.yaml"), zero).unwrap();
    nix::unistd::mkfifo(&dir.path().join("pipe.sql"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let table = fs::read_to_string("scenarios/s0/own-table-server-lost.yaml").unwrap();
    let create = table.lines().find(|line| line.contains("create:")).unwrap();
    let pipe = table.replace(create, "      create: pipe.sql");
    fs::write(dir.path().join("create.yaml"), pipe).unwrap();
    for (name, told) in [
        ("pipe.yaml", "it is not a regular file"),
        ("large.yaml", "it is larger than 4 MiB"),
        ("own.yaml", "it is not a regular file"),
        ("create.yaml", "it is not a regular file"),
    ] {
        let refused = pgdrill(&["check", &place(name)]);
        let text = String::from_utf8_lossy(&refused.stderr);
        assert_eq!(refused.status.code(), Some(64), "{text}");
        assert!(text.contains(told), "{text}");
    }
}
