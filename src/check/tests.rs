//! Every check turned green, red and open by one bend in a hand-written history.

use super::testing::{SECOND, Tale, lost_server, salvage};
use crate::{
    check::Judgement,
    event::{EventKind, Moment},
    finding::{Finding, Verdict},
    observation::{Observation, TableState},
    scenario::plan::{Archive, CheckKind},
};

#[track_caller]
fn finding<'j>(judgement: &'j Judgement, id: &str) -> &'j Finding {
    let found = judgement.findings.iter().find(|finding| finding.id == id);
    found.unwrap_or_else(|| panic!("no finding `{id}`"))
}

/// The verdict of one finding, and that nothing else is red.
#[track_caller]
fn expect(tale: &Tale, id: &str, verdict: Verdict, text: &str) {
    let judgement = tale.judge();
    let found = finding(&judgement, id);
    assert_eq!(found.verdict, verdict, "{id}: {}", found.message);
    assert!(found.message.contains(text), "{id}: {}", found.message);
    let others = judgement.findings.iter().filter(|one| one.id != id);
    let red: Vec<_> = others.filter(|one| one.verdict == Verdict::Fail).collect();
    assert!(red.is_empty(), "{red:#?}");
}

fn tables(tale: Tale, moment: Moment, bend: impl Fn(&mut TableState)) -> Tale {
    tale.bend(moment, |seen| {
        if let Observation::Tables(tables) = seen {
            bend(tables.get_mut("app.users").unwrap());
        }
    })
}

/// Nothing of this kind was seen at that moment.
fn unseen(tale: Tale, when: Moment, gone: impl Fn(&Observation) -> bool) -> Tale {
    tale.without(|kind| {
        matches!(kind, EventKind::Observed { moment, observation, .. } if *moment == when && gone(observation))
    })
}

#[test]
fn every_finding_of_a_good_drill_passes() {
    for tale in [salvage(), lost_server()] {
        let judgement = tale.judge();
        for kind in CheckKind::ALL
            .into_iter()
            .filter(|kind| *kind != CheckKind::Ledger)
        {
            assert_eq!(finding(&judgement, kind.name()).verdict, Verdict::Pass);
        }
        for id in [
            "steps",
            "fault",
            "steady-state",
            "evidence",
            "leak",
            "ledger.oa",
            "ledger.agent",
        ] {
            assert_eq!(finding(&judgement, id).verdict, Verdict::Pass, "{id}");
        }
    }
}

#[test]
fn rows_and_digests() {
    let fewer = tables(salvage(), Moment::After, |table| table.rows -= 1);
    let judgement = fewer.judge();
    assert_eq!(finding(&judgement, "rows").verdict, Verdict::Fail);
    assert_eq!(
        finding(&judgement, "rows").details,
        ["app.users: 200 rows before, 199 now"]
    );
    assert_eq!(finding(&judgement, "digests").verdict, Verdict::Fail);
    let other = tables(salvage(), Moment::After, |table| table.digest = "ff".into());
    expect(&other, "digests", Verdict::Fail, "app.users");
    let blobs = salvage().bend(Moment::After, |seen| {
        if let Observation::LargeObjects { count, .. } = seen {
            *count = 7;
        }
    });
    expect(&blobs, "digests", Verdict::Fail, "large objects");
    let blind = unseen(salvage(), Moment::After, |seen| {
        matches!(seen, Observation::Tables(_))
    });
    expect(&blind, "rows", Verdict::Unknown, "not read");
    expect(&blind, "digests", Verdict::Unknown, "not read");
}

#[test]
fn a_missing_table_is_red() {
    let gone = salvage().bend(Moment::After, |seen| {
        if let Observation::Tables(tables) = seen {
            tables.remove("app.users");
        }
    });
    let judgement = gone.judge();
    assert!(finding(&judgement, "rows").details[0].contains("missing"));
}

#[test]
fn an_unlogged_table_may_be_empty_after_a_restore_only() {
    let emptied = |tale: Tale| {
        let bend = |seen: &mut Observation| {
            if let Observation::Tables(tables) = seen {
                *tables.get_mut("app.cache").unwrap() = TableState::default();
            }
        };
        tale.bend(Moment::After, bend).bend(Moment::Gate, bend)
    };
    expect(&emptied(lost_server()), "rows", Verdict::Pass, "as before");
    let judgement = emptied(salvage()).judge();
    assert_eq!(finding(&judgement, "rows").verdict, Verdict::Fail);
}

#[test]
fn permissions() {
    let bent = |add: bool| {
        salvage().bend(Moment::After, move |seen| {
            if let Observation::Privileges(lines) = seen {
                if add {
                    lines.push("auditor table app.users DELETE".into());
                } else {
                    lines.pop();
                }
            }
        })
    };
    expect(
        &bent(false),
        "permissions",
        Verdict::Fail,
        "1 missing, 0 added",
    );
    expect(
        &bent(true),
        "permissions",
        Verdict::Fail,
        "0 missing, 1 added",
    );
    let blind = unseen(salvage(), Moment::Before, |seen| {
        matches!(seen, Observation::Privileges(_))
    });
    expect(&blind, "permissions", Verdict::Unknown, "not read");
}

/// The OA is frozen at the gate: its write privileges are missing there, and thawed later.
#[test]
fn a_freeze_does_not_close_the_gate() {
    let frozen = salvage().bend(Moment::Gate, |seen| match seen {
        Observation::Privileges(lines) => lines.retain(|line| !line.ends_with("INSERT")),
        Observation::Business(results) => results[0].got = "42501 permission denied".into(),
        _other => {}
    });
    expect(&frozen, "rto.oa", Verdict::Pass, "10s");
    let more = frozen.bend(Moment::Gate, |seen| {
        if let Observation::Privileges(lines) = seen {
            lines.clear();
        }
    });
    expect(
        &more,
        "rto.oa",
        Verdict::Unknown,
        "the gate `permissions` did not pass",
    );
}

#[test]
fn catalog() {
    let bent = salvage().bend(Moment::After, |seen| {
        if let Observation::Catalog(objects) = seen {
            objects.insert("table app.users".into(), "owner postgres".into());
        }
    });
    expect(&bent, "catalog", Verdict::Fail, "changed: table app.users");
    let setting = salvage().bend(Moment::After, |seen| {
        if let Observation::Server(state) = seen {
            state.settings.clear();
        }
    });
    expect(
        &setting,
        "catalog",
        Verdict::Fail,
        "setting missing: wal_level",
    );
    let blind = unseen(salvage(), Moment::After, |seen| {
        matches!(seen, Observation::Catalog(_))
    });
    expect(&blind, "catalog", Verdict::Unknown, "not read");
}

#[test]
fn sequences() {
    let behind = salvage().bend(Moment::After, |seen| {
        if let Observation::Sequences(sequences) = seen {
            sequences[0].next = 1000;
        }
    });
    expect(&behind, "sequences", Verdict::Fail, "app.orders_id_seq");
    let gone = salvage().bend(Moment::After, |seen| {
        if let Observation::Sequences(sequences) = seen {
            sequences.clear();
        }
    });
    expect(
        &gone,
        "sequences",
        Verdict::Fail,
        "1 sequence missing: app.orders_id_seq",
    );
    let blind = unseen(salvage(), Moment::After, |seen| {
        matches!(seen, Observation::Sequences(_))
    });
    expect(&blind, "sequences", Verdict::Unknown, "not read");
}

#[test]
fn business() {
    let refused = salvage().bend(Moment::After, |seen| {
        if let Observation::Business(results) = seen {
            results[0].got = "42501".into();
        }
    });
    expect(
        &refused,
        "business",
        Verdict::Fail,
        "login as app_user: expected rows, got 42501",
    );
    let blind = unseen(salvage(), Moment::After, |seen| {
        matches!(seen, Observation::Business(_))
    });
    expect(
        &blind,
        "business",
        Verdict::Unknown,
        "no business operation",
    );
}

#[test]
fn timeline() {
    let server = |tale: Tale, bend: fn(&mut crate::observation::ServerState)| {
        tale.bend(Moment::After, move |seen| {
            if let Observation::Server(state) = seen {
                bend(state);
            }
        })
    };
    expect(
        &server(salvage(), |s| s.read_only = true),
        "timeline",
        Verdict::Fail,
        "read-only",
    );
    expect(
        &server(salvage(), |s| s.in_recovery = true),
        "timeline",
        Verdict::Fail,
        "in recovery",
    );
    expect(
        &server(salvage(), |s| s.timeline = 2),
        "timeline",
        Verdict::Fail,
        "nothing was restored",
    );
    expect(
        &server(lost_server(), |s| s.timeline = 1),
        "timeline",
        Verdict::Fail,
        "promotion",
    );
    expect(
        &server(lost_server(), |s| s.timeline = 3),
        "timeline",
        Verdict::Fail,
        "not 2",
    );
    expect(
        &server(lost_server(), |s| s.system_identifier = 8),
        "timeline",
        Verdict::Fail,
        "another cluster",
    );
    let blind = unseen(salvage(), Moment::After, |seen| {
        matches!(seen, Observation::Server(_))
    });
    expect(&blind, "timeline", Verdict::Unknown, "not read");
    expect(&blind, "checksums", Verdict::Unknown, "not read");
}

#[test]
fn amcheck_and_checksums() {
    let exit = |code: i32| {
        salvage().bend(Moment::After, move |seen| {
            if let Observation::Amcheck { exit, messages } = seen {
                *exit = code;
                *messages = vec!["heap table app.users, block 3: line pointer".into()];
            }
        })
    };
    expect(&exit(2), "amcheck", Verdict::Fail, "block 3");
    expect(&exit(1), "amcheck", Verdict::Unknown, "exit code 1");
    let failures = |count: Option<u64>| {
        salvage().bend(Moment::After, move |seen| {
            if let Observation::Server(state) = seen {
                state.checksum_failures = count;
            }
        })
    };
    expect(&failures(Some(2)), "checksums", Verdict::Fail, "2");
    expect(&failures(None), "checksums", Verdict::Unknown, "off");
}

#[test]
fn performance() {
    let timed = |p50: u64, p95: u64| {
        salvage().bend(Moment::After, move |seen| {
            if let Observation::Performance(queries) = seen {
                queries[0].p50_us = p50;
                queries[0].p95_us = p95;
            }
        })
    };
    expect(
        &timed(7_701, 11_000),
        "performance",
        Verdict::Pass,
        "1 query",
    );
    expect(
        &timed(7_701, 11_001),
        "performance",
        Verdict::Fail,
        "query `inbox`",
    );
    // A hiccup shifts the 95th percentile alone.
    expect(
        &timed(900, 900_000),
        "performance",
        Verdict::Pass,
        "1 query",
    );
    let blind = unseen(salvage(), Moment::After, |seen| {
        matches!(seen, Observation::Performance(_))
    });
    expect(&blind, "performance", Verdict::Unknown, "not timed");
}

#[test]
fn server_log() {
    let line = EventKind::ServerLog {
        server: "primary".into(),
        severity: "PANIC".into(),
        sqlstate: "XX000".into(),
        message: "could not locate a valid checkpoint record".into(),
    };
    expect(
        &salvage().with(27 * SECOND, line),
        "server-log",
        Verdict::Fail,
        "PANIC",
    );
    let unread = salvage().without(|kind| matches!(kind, EventKind::ServerLogRead { .. }));
    expect(&unread, "server-log", Verdict::Unknown, "not read");
}

#[test]
fn archive() {
    let bent = |bend: fn(&mut Vec<String>, &mut Vec<String>)| {
        salvage().bend(Moment::After, move |seen| {
            if let Observation::Archive { segments, odd } = seen {
                bend(segments, odd);
            }
        })
    };
    let gap = |segments: &mut Vec<String>, _odd: &mut Vec<String>| drop(segments.remove(1));
    expect(
        &bent(gap),
        "archive",
        Verdict::Fail,
        "gap: 000000010000000000000001",
    );
    let short = |_: &mut Vec<String>, odd: &mut Vec<String>| odd.push("x.tmp".into());
    expect(&bent(short), "archive", Verdict::Fail, "odd file: x.tmp");
    let clone = |segments: &mut Vec<String>, _odd: &mut Vec<String>| {
        segments.push("000000020000000000000003".into());
    };
    expect(
        &bent(clone),
        "archive",
        Verdict::Fail,
        "the clone `scratch` archived",
    );
    let empty = |segments: &mut Vec<String>, _odd: &mut Vec<String>| segments.clear();
    expect(&bent(empty), "archive", Verdict::Fail, "empty");
    let blind = unseen(salvage(), Moment::After, |seen| {
        matches!(seen, Observation::Archive { .. })
    });
    expect(&blind, "archive", Verdict::Unknown, "not listed");
}

#[test]
fn archiving_that_stopped_is_red() {
    let stands = |lsn: u64, archive_failures: u64| EventKind::WalPosition {
        server: "primary".into(),
        lsn,
        last_archived: "000000010000000000000003".into(),
        archive_failures,
    };
    let tale = salvage()
        .with(5 * SECOND, stands(0x400_0000, 0))
        .with(26 * SECOND, stands(0x600_0000, 9));
    expect(
        &tale,
        "archive",
        Verdict::Fail,
        "archiving stopped: 9 failures, 3 segments behind",
    );
}

#[test]
fn a_strategy_without_archive_skips_the_check_and_is_exposed() {
    let mut tale = salvage();
    tale.plan.strategy.archive = Archive::None;
    let judgement = tale.judge();
    assert!(judgement.not_applicable.contains_key("archive"));
    assert_eq!(
        finding(&judgement, "projected-rpo.oa").verdict,
        Verdict::Fail
    );
}

#[test]
fn a_fault_that_did_not_bite_proves_nothing() {
    let mut tale = salvage();
    for event in &mut tale.events {
        if let EventKind::FaultInjected(fault) = &mut event.kind {
            fault.bit = false;
        }
    }
    expect(&tale, "fault", Verdict::Unknown, "had no effect");
}

#[test]
fn a_bad_steady_state_is_unknown() {
    let sick = salvage().bend(Moment::Before, |seen| {
        if let Observation::Business(results) = seen {
            results[0].got = "no rows".into();
        }
    });
    expect(&sick, "steady-state", Verdict::Unknown, "login");
    let blind = unseen(salvage(), Moment::Before, |_all| true);
    expect(
        &blind,
        "steady-state",
        Verdict::Unknown,
        "nothing was observed",
    );
    expect(&blind, "rows", Verdict::Unknown, "steady state");
}

#[test]
fn what_follows_from_a_failed_step_says_so() {
    let judgement = salvage().failing_at(4, "pg_ctl failed\nlast line").judge();
    let restore = finding(&judgement, "restore");
    assert_eq!(restore.verdict, Verdict::Fail);
    assert!(
        restore.message.ends_with("pg_ctl failed"),
        "{}",
        restore.message
    );
    assert_eq!(restore.details, ["last line"]);
    for id in ["rows", "rto.oa", "rpo.oa", "ledger.oa", "steps"] {
        let open = finding(&judgement, id);
        assert_eq!(
            (open.verdict, open.follows_from.as_str()),
            (Verdict::Unknown, "restore"),
            "{id}"
        );
    }
}

#[test]
fn a_failed_step_can_be_expected() {
    let mut tale = salvage().failing_at(4, "recovery.conf is not supported");
    tale.plan
        .expect
        .fail
        .insert("restore".into(), "recovery.conf".into());
    let judgement = tale.judge();
    assert_eq!(judgement.outcome.reasons, Vec::<String>::new());
    assert_eq!(
        (judgement.verdict, judgement.outcome.verdict),
        (Verdict::Fail, Verdict::Pass)
    );
    tale.plan
        .expect
        .fail
        .insert("restore".into(), "disk full".into());
    assert_eq!(tale.judge().outcome.verdict, Verdict::Fail);
}

#[test]
fn an_expected_failure_that_passes_is_red() {
    let mut tale = salvage();
    tale.plan.expect.fail.insert("rpo.oa".into(), String::new());
    let judgement = tale.judge();
    assert_eq!(judgement.outcome.verdict, Verdict::Fail);
    assert!(judgement.outcome.reasons[0].contains("was to fail, but passed"));
}

#[test]
fn broken_records_are_no_evidence() {
    let open = salvage().without(|kind| matches!(kind, EventKind::DrillEnded { .. }));
    expect(&open, "evidence", Verdict::Unknown, "does not end");
    let mut hole = salvage();
    hole.events.remove(5);
    expect(&hole, "evidence", Verdict::Unknown, "hole");
    let mut short = salvage();
    short.ledger.pop();
    short.readback.pop();
    expect(&short, "evidence", Verdict::Unknown, "its clients counted");
    let mut cancelled = salvage();
    for event in &mut cancelled.events {
        if let EventKind::DrillEnded {
            completed, reason, ..
        } = &mut event.kind
        {
            *completed = false;
            *reason = "interrupted".into();
        }
    }
    expect(&cancelled, "evidence", Verdict::Unknown, "interrupted");
    let blind = unseen(cancelled, Moment::Before, |_all| true).judge();
    for (id, cause) in [("evidence", ""), ("rows", "evidence")] {
        assert_eq!(finding(&blind, id).follows_from, cause, "{id}");
    }
}

#[test]
fn a_torn_ledger_is_no_evidence() {
    let dir = tempfile::tempdir().unwrap();
    salvage().write(dir.path());
    let ledger = dir.path().join(crate::history::files::LEDGER);
    let bytes = std::fs::read(&ledger).unwrap();
    std::fs::write(&ledger, &bytes[..bytes.len() - 7]).unwrap();
    let judgement = crate::check::judge(dir.path(), |_plan| vec![]).unwrap();
    assert!(finding(&judgement, "evidence").message.contains("torn"));
    assert_eq!(finding(&judgement, "rpo.oa").verdict, Verdict::Unknown);
}

#[test]
fn leaks_are_red() {
    let mut tale = salvage();
    for event in &mut tale.events {
        if let EventKind::DrillEnded { leaked, .. } = &mut event.kind {
            leaked.push("container pgdrill-x".into());
        }
    }
    expect(&tale, "leak", Verdict::Fail, "container pgdrill-x");
}

#[test]
fn verifiers_are_held_against_the_truth() {
    let right = lost_server().judge();
    assert_eq!(right.trials[0].right(), Some(true));
    let wrong = tables(lost_server(), Moment::After, |table| {
        table.digest = "ff".into()
    })
    .judge();
    assert_eq!(wrong.trials[0].right(), Some(false));
}

#[test]
fn a_crashed_check_is_unknown() {
    let said = super::guarded(|| panic!("out of {}", "luck"));
    assert_eq!(
        said,
        super::Said::Unknown("the check crashed: out of luck".into())
    );
}

#[test]
fn the_gate_of_a_server_that_does_not_serve_counts_too() {
    let mut tale = salvage();
    for event in &mut tale.events {
        if let EventKind::Observed {
            moment: Moment::Gate,
            server,
            observation,
            ..
        } = &mut event.kind
        {
            *server = "scratch".into();
            match observation {
                Observation::Server(state) => state.timeline = 2,
                Observation::Tables(tables) => tables.get_mut("app.users").unwrap().rows = 1,
                _other => {}
            }
        }
    }
    let judgement = tale.judge();
    assert!(
        finding(&judgement, "rows")
            .message
            .ends_with("(on `scratch`)")
    );
    assert_eq!(finding(&judgement, "rto.oa").follows_from, "rows");
}

#[test]
fn objectives() {
    let mut late = salvage();
    late.plan.objectives.get_mut("oa").unwrap().rto = Some("10s".parse().unwrap());
    expect(&late, "rto.oa", Verdict::Fail, "objective 10s");
    late.plan.objectives.get_mut("oa").unwrap().rto = Some("11s".parse().unwrap());
    expect(&late, "rto.oa", Verdict::Pass, "objective 11s");
    late.plan.human.decide = "5s".parse().unwrap();
    expect(&late, "rto.oa", Verdict::Fail, "+ 5s for people");
    let mut strict = lost_server();
    strict
        .plan
        .strategy
        .settings
        .insert("archive_timeout".into(), "5s".into());
    strict.plan.objectives.get_mut("oa").unwrap().rpo = Some("30s".parse().unwrap());
    expect(&strict, "rpo.oa", Verdict::Unknown, "too far to tell");
    strict.plan.objectives.get_mut("oa").unwrap().rpo = Some("6s".parse().unwrap());
    let judgement = strict.judge();
    assert!(
        finding(&judgement, "rpo.oa")
            .message
            .contains("objective 6s = 100ms in the drill")
    );
    let mut isolated = salvage();
    isolated.plan.objectives.get_mut("agent").unwrap().outage = Some("0s".parse().unwrap());
    expect(&isolated, "outage.agent", Verdict::Pass, "none");
    isolated.plan.objectives.get_mut("oa").unwrap().outage = Some("0s".parse().unwrap());
    expect(&isolated, "outage.oa", Verdict::Fail, "10.1s without");
}

#[test]
fn without_the_ledger_check_nothing_need_be_read_back() {
    let blind = unseen(salvage(), Moment::After, |seen| {
        matches!(seen, Observation::Readback { .. })
    });
    expect(&blind, "evidence", Verdict::Unknown, "not read back");
    let mut unselected = blind;
    unselected
        .plan
        .checks
        .retain(|kind| *kind != CheckKind::Ledger);
    expect(&unselected, "evidence", Verdict::Pass, "whole");
    expect(&unselected, "rpo.oa", Verdict::Unknown, "not selected");
}

#[test]
fn a_server_that_cannot_be_reached_leaves_every_check_open() {
    let gone = EventKind::ProbeFailed {
        moment: Moment::After,
        server: "primary".into(),
        probe: "all".into(),
        error: "connection refused".into(),
    };
    let silent = unseen(salvage(), Moment::After, |_all| true).with(27 * SECOND, gone);
    for id in ["rows", "business", "archive"] {
        expect(&silent, id, Verdict::Unknown, "connection refused");
    }
    expect(&silent, "ledger.oa", Verdict::Unknown, "connection refused");
}
