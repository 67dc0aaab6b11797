//! Settings that changed in every way they can.

use crate::{
    check::testing::*,
    observation::{FileSetting, Setting, SettingsState},
    scenario::plan::ServerPlan,
};

fn bent(fixture: HistoryFixture, bend: fn(&mut SettingsState)) -> HistoryFixture {
    fixture.bend(Moment::After, move |seen| {
        if let Observation::Settings(state) = seen {
            bend(state);
        }
    })
}

fn red(fixture: HistoryFixture, why: &str, bend: fn(&mut SettingsState)) {
    expect(&bent(fixture, bend), "settings", Verdict::Fail, why);
}

fn from(source: &str, value: &str) -> Setting {
    Setting {
        value: value.into(),
        source: source.into(),
        pending_restart: false,
    }
}

fn in_file(value: &str, applied: bool) -> FileSetting {
    FileSetting {
        value: value.into(),
        file: "/node/data/postgresql.auto.conf".into(),
        applied,
        error: if applied {
            String::new()
        } else {
            "setting could not be applied".into()
        },
    }
}

#[test]
fn a_setting_that_changed_in_force_is_red() {
    red(salvage(), "work_mem was `4096`, is `64`", |state| {
        state
            .in_force
            .insert("work_mem".into(), from("configuration file", "64"));
    });
    red(salvage(), "added: app.limit = 3", |state| {
        state
            .in_force
            .insert("app.limit".into(), from("configuration file", "3"));
    });
}

#[test]
fn a_line_that_bites_at_the_next_restart_is_red() {
    red(
        salvage(),
        "in the files: added: zero_damaged_pages = on",
        |state| {
            state
                .files
                .insert("zero_damaged_pages".into(), in_file("on", true));
        },
    );
    red(
        salvage(),
        "archive_timeout = 1s: setting could not be applied ({data}/postgresql.auto.conf)",
        |state| {
            state
                .files
                .insert("archive_timeout".into(), in_file("1s", false));
        },
    );
}

#[test]
fn what_must_differ_may_while_the_command_line_says_so() {
    let good = |state: &mut SettingsState| {
        state
            .in_force
            .insert("port".into(), from("command line", "5433"));
        let recovery = from("command line", "cp {archive}/%f %p");
        state.in_force.insert("restore_command".into(), recovery);
    };
    expect(
        &bent(lost_server(), good),
        "settings",
        Verdict::Pass,
        "as before",
    );
    red(salvage(), "restore_command", good);
    red(salvage(), "port was `5432`, is `5433`", |state| {
        state
            .in_force
            .insert("port".into(), from("configuration file", "5433"));
    });
}

#[test]
fn a_path_is_compared_by_what_it_is_on_its_node() {
    let moved = bent(salvage(), |state| {
        state.places.insert("{data}".into(), "/other/data".into());
        state.in_force.insert(
            "hba_file".into(),
            from("override", "/other/data/pg_hba.conf"),
        );
    });
    expect(&moved, "settings", Verdict::Pass, "as before");
    red(
        salvage(),
        "hba_file was `{data}/pg_hba.conf`, is `/tmp/pg_hba.conf`",
        |state| {
            state
                .in_force
                .insert("hba_file".into(), from("override", "/tmp/pg_hba.conf"));
        },
    );
}

#[test]
fn settings_of_roles_and_databases_are_compared() {
    red(
        salvage(),
        "added: of every role postgres search_path=x",
        |state| {
            state
                .of_roles
                .push("every role postgres search_path=x".into());
        },
    );
}

#[test]
fn a_file_that_makes_the_next_start_a_recovery_is_red() {
    let why = "the next start finds standby.signal in the data directory";
    red(salvage(), why, |state| {
        state.at_start.push("standby.signal".into());
    });
}

#[test]
fn what_the_scenario_states_must_be_there_from_the_beginning() {
    let mut fixture = salvage();
    fixture
        .plan
        .strategy
        .settings
        .insert("work_mem".into(), "8MB".into());
    let why = "not in the files: work_mem = 8MB, as the scenario states it";
    expect(&fixture, "settings", Verdict::Fail, why);
    let judgement = fixture.judge();
    let steady = finding(&judgement, "steady-state");
    assert_eq!(steady.verdict, Verdict::Unknown);
    assert!(steady.message.contains(why), "{}", steady.message);
}

#[test]
fn each_server_is_held_against_what_is_stated_for_its_own() {
    let stated = |server: &str| {
        let mut fixture = lost_server();
        let mut own = ServerPlan::default();
        own.settings.insert("work_mem".into(), "8MB".into());
        fixture.plan.servers.insert(server.into(), own);
        fixture
    };
    // It was restored from the primary's backup.
    let why = "not in the files: work_mem = 8MB, as the scenario states it";
    expect(&stated("primary"), "settings", Verdict::Fail, why);
    expect(&stated("other"), "settings", Verdict::Pass, "settings");
    let mut other = stated("other");
    for event in &mut other.events {
        if let EventKind::BackupTaken(backup) = &mut event.kind {
            backup.server = "other".into();
        }
    }
    expect(&other, "settings", Verdict::Fail, why);
}

#[test]
fn settings_that_were_not_read_are_open() {
    let blind = salvage().unseen(Moment::After, |seen| {
        matches!(seen, Observation::Settings(_))
    });
    expect(&blind, "settings", Verdict::Unknown, "not read");
}
