//! The two tales.

use super::*;

/// A table dropped at 12 s and brought home through a scratch server; the OA is frozen
/// from 12.5 s to 22 s, the agent never stops. Everything is as it must be.
pub fn salvage() -> Tale {
    let primary = || "primary".to_owned();
    let mut tale = empty(plan("oa-table-dropped-pg17", salvage_steps()));
    let at = |tenths: u64| tenths * SECOND / 10;
    tale.perform(&[
        at(40),
        at(119),
        at(121),
        at(125),
        at(180),
        at(200),
        at(210),
        at(220),
        at(270),
    ]);
    common(&mut tale);
    for (at, kind) in [
        phase(at(119), Phase::Inject),
        phase(at(121), Phase::Freeze),
        phase(at(125), Phase::Provision),
        phase(at(132), Phase::Fetch),
        phase(at(155), Phase::ReplayToConsistency),
        phase(at(162), Phase::ReplayToTarget),
        phase(at(175), Phase::Promote),
        phase(at(180), Phase::Salvage),
        phase(at(200), Phase::Verify),
        phase(at(210), Phase::CutOver),
        phase(at(220), Phase::Run),
    ] {
        tale.tell(at, kind);
    }
    tale.tell(
        at(121),
        EventKind::FaultInjected(fault(
            "drop-table",
            "app.users",
            Boundary::Statement,
            at(120),
        )),
    );
    tale.tell(
        at(125),
        EventKind::Frozen {
            workload: "oa".into(),
        },
    );
    tale.tell(
        at(150),
        command(
            "scratch",
            "cp -a /pgdrill/store/full-1/. /pgdrill/data",
            2_100_000,
        ),
    );
    tale.tell(
        at(180),
        restored(
            "scratch",
            true,
            "recovery_target_lsn = '0/3000000', exclusive",
        ),
    );
    let home = SalvagedTable {
        table: "app.users".into(),
        created: true,
        inserted: 240,
        replaced: 0,
    };
    tale.tell(
        at(200),
        EventKind::Salvaged {
            from: "scratch".into(),
            into: primary(),
            tables: vec![home],
        },
    );
    tale.observe(at(205), Moment::Gate, "primary", 1);
    tale.tell(
        at(219),
        EventKind::Thawed {
            workload: "oa".into(),
        },
    );
    tale.write_ledger(at(270), |workload, at_us| {
        workload == AGENT || !(at(120)..at(220)).contains(&at_us)
    });
    tale.tell_traffic(at(271));
    tale.observe(at(275), Moment::After, "primary", 1);
    tale.tell(
        at(276),
        EventKind::ServerLogRead {
            server: primary(),
            lines: 812,
        },
    );
    tale.frame(at(280));
    tale.in_order()
}

fn salvage_steps() -> Vec<(&'static str, Action)> {
    let primary = || "primary".to_owned();
    vec![
        (
            "full backup of primary",
            Action::Backup {
                server: primary(),
                kind: BackupKind::Full,
            },
        ),
        ("run for 8s", Action::Run(RunFor::Time(seconds("8s")))),
        (
            "drop app.users",
            Action::Inject {
                server: primary(),
                fault: Fault::DropTable("app.users".into()),
            },
        ),
        (
            "freeze oa",
            Action::Freeze {
                workload: "oa".into(),
                server: primary(),
            },
        ),
        (
            "restore into scratch, just before the fault",
            Action::Restore {
                into: "scratch".into(),
                scratch: true,
                target: Target::BeforeFault,
            },
        ),
        (
            "salvage app.users into primary",
            Action::Salvage {
                from: "scratch".into(),
                into: primary(),
                tables: vec!["app.users".into()],
                schemas: vec![],
                by: SalvageBy::Rows,
            },
        ),
        ("verify primary", Action::Verify { server: primary() }),
        (
            "thaw oa",
            Action::Thaw {
                workload: "oa".into(),
                server: primary(),
            },
        ),
        ("run for 5s", Action::Run(RunFor::Time(seconds("5s")))),
    ]
}

/// The whole server lost at 12 s, restored into `replacement`, cut over at 21 s. The last
/// 400 ms before the loss had not been archived.
pub fn lost_server() -> Tale {
    let replacement = || "replacement".to_owned();
    let all = || vec!["agent".to_owned(), "oa".to_owned()];
    let mut tale = empty(plan("server-lost-pg17", lost_server_steps()));
    let at = |tenths: u64| tenths * SECOND / 10;
    tale.perform(&[at(40), at(119), at(121), at(190), at(205), at(211), at(260)]);
    common(&mut tale);
    for (at, kind) in [
        phase(at(119), Phase::Inject),
        phase(at(121), Phase::Provision),
        phase(at(130), Phase::Fetch),
        phase(at(150), Phase::ReplayToConsistency),
        phase(at(160), Phase::ReplayToTarget),
        phase(at(185), Phase::Promote),
        phase(at(190), Phase::Verify),
        phase(at(205), Phase::CutOver),
        phase(at(211), Phase::Run),
    ] {
        tale.tell(at, kind);
    }
    tale.tell(
        at(121),
        EventKind::FaultInjected(fault("lose-server", "primary", Boundary::Instant, at(120))),
    );
    tale.tell(at(190), restored("replacement", false, "latest"));
    tale.observe(at(200), Moment::Gate, "replacement", 2);
    tale.tell(
        at(210),
        EventKind::CutOver {
            workloads: all(),
            to: replacement(),
        },
    );
    tale.write_ledger(at(260), |_, at_us| !(at(120)..at(211)).contains(&at_us));
    tale.readback
        .retain(|one| one.acked_us <= at(116) || one.acked_us > at(121));
    tale.tell_traffic(at(261));
    tale.observe(at(265), Moment::After, "replacement", 2);
    tale.tell(
        at(266),
        EventKind::ServerLogRead {
            server: replacement(),
            lines: 230,
        },
    );
    tale.frame(at(270));
    tale.in_order()
}

/// The same, but only the OA moved: both servers serve at the end.
pub fn oa_alone_moved() -> Tale {
    let mut tale = lost_server();
    for event in &mut tale.events {
        if let EventKind::CutOver { workloads, .. } = &mut event.kind {
            *workloads = vec!["oa".into()];
        }
    }
    tale.observe(266 * SECOND / 10, Moment::After, PRIMARY, 1);
    tale.in_order()
}

fn lost_server_steps() -> Vec<(&'static str, Action)> {
    let primary = || "primary".to_owned();
    let replacement = || "replacement".to_owned();
    let all = || vec!["agent".to_owned(), "oa".to_owned()];
    vec![
        (
            "full backup of primary",
            Action::Backup {
                server: primary(),
                kind: BackupKind::Full,
            },
        ),
        ("run for 8s", Action::Run(RunFor::Time(seconds("8s")))),
        (
            "lose primary with its storage",
            Action::Inject {
                server: primary(),
                fault: Fault::LoseServer,
            },
        ),
        (
            "restore into replacement, latest",
            Action::Restore {
                into: replacement(),
                scratch: false,
                target: Target::Latest,
            },
        ),
        (
            "verify replacement",
            Action::Verify {
                server: replacement(),
            },
        ),
        (
            "cut over to replacement",
            Action::CutOver {
                workloads: all(),
                to: replacement(),
            },
        ),
        ("run for 5s", Action::Run(RunFor::Time(seconds("5s")))),
    ]
}
