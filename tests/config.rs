//! Where the values of options come from: the command line, the environment, a file and its profiles.

mod cli;

use std::{fs, path::Path, process::Command};

use cli::told;

const FILE: &str = "defaults:
  run: { jobs: 3, runtime: local }
  serve: { listen: not-an-address }
profiles:
  quarterly:
    run: { jobs: 1 }
";

fn pgdrill(place: &Path, arguments: &[&str]) -> Command {
    let mut command = cli::pgdrill(arguments, place);
    command
        .current_dir(place)
        .env("HOME", place)
        .env_remove("XDG_CONFIG_HOME")
        .stdout(std::process::Stdio::piped());
    command
}

/// The line of an option, as `pgdrill config` tells it.
fn line(command: &mut Command, option: &str) -> String {
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    let text = String::from_utf8(output.stdout).unwrap();
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut lines = text.lines().map(words);
    lines.find(|line| line.starts_with(option)).unwrap()
}

#[test]
fn the_environment_counts_before_the_profile_and_that_before_the_defaults() {
    let place = tempfile::tempdir().unwrap();
    let config = |further: &[&str]| pgdrill(place.path(), &[&["config"], further].concat());
    assert_eq!(line(&mut config(&[]), "run --jobs"), "run --jobs – default");
    assert_eq!(
        line(&mut config(&[]), "run --reports"),
        "run --reports reports default"
    );
    fs::write(place.path().join("pgdrill.yaml"), FILE).unwrap();
    assert_eq!(
        line(&mut config(&[]), "run --jobs"),
        "run --jobs 3 pgdrill.yaml:2"
    );
    let quarterly = ["--profile", "quarterly"];
    assert_eq!(
        line(&mut config(&quarterly), "run --jobs"),
        "run --jobs 1 pgdrill.yaml:6"
    );
    assert_eq!(
        line(&mut config(&quarterly), "run --runtime"),
        "run --runtime local pgdrill.yaml:2"
    );
    let mut both = config(&["--profile=quarterly"]);
    both.env("PGDRILL_RUN_JOBS", "auto");
    assert_eq!(
        line(&mut both, "run --jobs"),
        "run --jobs auto PGDRILL_RUN_JOBS"
    );
    let mut by_name = config(&[]);
    by_name.env("PGDRILL_PROFILE", "quarterly");
    assert_eq!(
        line(&mut by_name, "run --jobs"),
        "run --jobs 1 pgdrill.yaml:6"
    );
    // Of a user, where a project has none.
    fs::create_dir_all(place.path().join(".config/pgdrill")).unwrap();
    fs::rename(
        place.path().join("pgdrill.yaml"),
        place.path().join(".config/pgdrill/config.yaml"),
    )
    .unwrap();
    let told = line(&mut config(&[]), "run --jobs");
    assert!(told.ends_with("/.config/pgdrill/config.yaml:2"), "{told}");
}

#[test]
fn a_wrong_value_is_told_with_where_it_is_stated() {
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join("pgdrill.yaml"), FILE).unwrap();
    let refused = |command: &mut Command, mark: &str| {
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(64), "{}", told(&output));
        assert!(told(&output).contains(mark), "{}", told(&output));
        told(&output)
    };
    refused(
        &mut pgdrill(place.path(), &["serve", "."]),
        "stated by pgdrill.yaml:3",
    );
    let mut by_environment = pgdrill(place.path(), &["run", "quick"]);
    refused(
        by_environment.env("PGDRILL_RUN_JOBS", "many"),
        "stated by PGDRILL_RUN_JOBS",
    );
    let mut on_the_line = pgdrill(place.path(), &["run", "quick", "--jobs", "many"]);
    let told = refused(
        on_the_line.env("PGDRILL_RUN_JOBS", "2"),
        "invalid value 'many'",
    );
    assert!(!told.contains("stated by"), "{told}");
    refused(
        &mut pgdrill(place.path(), &["config", "--profile", "quartely"]),
        "did you mean `quarterly`?",
    );
    refused(
        &mut pgdrill(place.path(), &["list", "--config", "nowhere.yaml"]),
        "cannot read `nowhere.yaml`",
    );
    fs::remove_file(place.path().join("pgdrill.yaml")).unwrap();
    refused(
        &mut pgdrill(place.path(), &["list", "--profile", "quarterly"]),
        "there is no profile `quarterly`: no configuration file",
    );
}

#[test]
fn the_file_that_the_documentation_shows_is_sound() {
    let place = tempfile::tempdir().unwrap();
    let page = include_str!("../docs/configuration.md");
    let (_, rest) = page.split_once("```config\n").unwrap();
    let (file, _) = rest.split_once("```").unwrap();
    fs::write(place.path().join("pgdrill.yaml"), file).unwrap();
    let mut shown = pgdrill(place.path(), &["config", "--profile", "quarterly"]);
    assert_eq!(
        line(&mut shown, "run --people"),
        "run --people timed pgdrill.yaml:6"
    );
}
