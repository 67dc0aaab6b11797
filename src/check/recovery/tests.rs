use crate::{
    check::testing::*,
    event::{Follows, RecoveryRecord},
    scenario::plan::{Action, Target, TargetTimeline, Wal},
};

const SEGMENT: u64 = 16 << 20;

/// The fixture of a lost server, whose recovery ended otherwise.
fn recovered(bend: impl Fn(&mut RecoveryRecord)) -> HistoryFixture {
    let mut fixture = lost_server();
    for event in &mut fixture.events {
        if let EventKind::Recovered(recovery) = &mut event.kind {
            bend(recovery);
        }
    }
    fixture
}

fn name(timeline: u32, number: u64) -> String {
    format!("{timeline:08X}00000000{number:08X}")
}

#[test]
fn a_recovery_that_ends_before_the_archive_is_red_whatever_was_lost() {
    let refused = recovered(|recovery| recovery.left = vec![(1, 2 * SEGMENT)]);
    let text = "reached 0/2000000, the archive goes on to 0/4000000 (segment \
                000000010000000000000002 refused)";
    expect(&refused, "recovery", Verdict::Fail, text);
    let restored = recovered(|recovery| {
        recovery.left = vec![(1, 2 * SEGMENT)];
        let line = format!("LOG:  restored log file \"{}\" from archive", name(1, 2));
        recovery.log.push(line);
    });
    expect(
        &restored,
        "recovery",
        Verdict::Fail,
        "000000010000000000000002 can't be replayed",
    );
    let short = recovered(|recovery| {
        recovery.left = vec![(1, 2 * SEGMENT)];
        recovery.archive.insert(name(1, 2), 8192);
    });
    expect(
        &short,
        "recovery",
        Verdict::Fail,
        "000000010000000000000002 has 8192 of 16777216 bytes",
    );
    let gone = recovered(|recovery| {
        recovery.left = vec![(1, 2 * SEGMENT)];
        recovery.archive.remove(&name(1, 2));
        recovery.archive.insert(name(1, 2) + ".part", 8192);
    });
    expect(
        &gone,
        "recovery",
        Verdict::Fail,
        "000000010000000000000002 is not in the archive",
    );
    let amid = recovered(|recovery| recovery.left = vec![(1, 2 * SEGMENT + 0x128)]);
    expect(
        &amid,
        "recovery",
        Verdict::Fail,
        "000000010000000000000002 broken, or",
    );
}

#[test]
fn a_recovery_that_replays_the_last_segment_reaches_the_end() {
    expect(
        &lost_server(),
        "recovery",
        Verdict::Pass,
        "reached 0/4000000, the end",
    );
    let begun = Follows {
        record: 900,
        page: None,
    };
    let crosses = recovered(|recovery| {
        recovery.left = vec![(1, 4 * SEGMENT - 0x100)];
        recovery.follows = Some(begun);
    });
    expect(
        &crosses,
        "recovery",
        Verdict::Pass,
        "the end of the archive",
    );
    let partly_filled = recovered(|recovery| {
        recovery.left = vec![(1, 3 * SEGMENT + 0x100)];
        recovery.follows = Some(Follows {
            record: 0,
            page: None,
        });
    });
    expect(
        &partly_filled,
        "recovery",
        Verdict::Pass,
        "the end of the archive",
    );
    let streamed_along = recovered(|recovery| recovery.left = vec![(1, 6 * SEGMENT + 0x100)]);
    expect(
        &streamed_along,
        "recovery",
        Verdict::Pass,
        "the end of the archive",
    );
}

#[test]
fn a_recovery_that_ends_amid_the_last_segment_may_be_short() {
    let amid = |follows| {
        recovered(move |recovery| {
            recovery.left = vec![(1, 3 * SEGMENT + 0x100)];
            recovery.follows = follows;
        })
    };
    let broken = amid(Some(Follows {
        record: 90,
        page: None,
    }));
    expect(
        &broken,
        "recovery",
        Verdict::Fail,
        "a record of 90 bytes at 0/3000100 was not replayed",
    );
    let zeroed = amid(Some(Follows {
        record: 0,
        page: Some(0x300_6000),
    }));
    expect(
        &zeroed,
        "recovery",
        Verdict::Fail,
        "it has pages up to 0/3006000",
    );
    expect(
        &amid(None),
        "recovery",
        Verdict::Unknown,
        "could not be told",
    );
}

#[test]
fn only_the_timeline_that_recovery_followed_counts() {
    let branched = |archived: &[(u32, u64)]| {
        let files: Vec<String> = archived
            .iter()
            .map(|&(timeline, number)| name(timeline, number))
            .collect();
        recovered(move |recovery| {
            recovery.left = vec![(1, 3 * SEGMENT), (2, 5 * SEGMENT)];
            recovery
                .archive
                .extend(files.iter().map(|file| (file.clone(), SEGMENT)));
        })
    };
    // What the lost server archived after the branch is no way to the newest timeline's end.
    let beside = branched(&[(1, 7), (2, 3), (2, 4)]);
    expect(&beside, "recovery", Verdict::Pass, "0/5000000");
    let short = branched(&[(2, 3), (2, 4), (2, 5)]);
    expect(
        &short,
        "recovery",
        Verdict::Fail,
        "000000020000000000000005 refused",
    );
    let newer = branched(&[(3, 6)]);
    expect(&newer, "recovery", Verdict::Fail, "another timeline");
    let mut on_purpose = newer;
    let second = ("recovery_target_timeline".into(), "2".into());
    on_purpose.plan.strategy.settings.extend([second]);
    let judgement = on_purpose.judge();
    assert_eq!(finding(&judgement, "recovery").verdict, Verdict::Pass);
}

/// What was written after the fork belongs to another branch.
#[test]
fn a_recovery_along_a_stated_timeline_is_held_against_that_one() {
    let along = |timeline, left: &[(u32, u64)]| {
        let left = left.to_vec();
        let mut fixture = recovered(move |recovery| {
            recovery.left.clone_from(&left);
            recovery
                .archive
                .extend([3, 4].map(|number| (name(2, number), SEGMENT)));
        });
        for step in &mut fixture.plan.steps {
            if let Action::Restore(restore) = &mut step.action {
                restore.timeline = Some(timeline);
            }
        }
        fixture
    };
    let first = TargetTimeline::Number(1);
    let end = along(first, &[(1, 4 * SEGMENT)]);
    let why = "0/4000000, the end of the archive along timeline 1";
    expect(&end, "recovery", Verdict::Pass, why);
    let newest = along(TargetTimeline::Latest, &[(1, 4 * SEGMENT)]);
    expect(&newest, "recovery", Verdict::Fail, "another timeline");
    let short = along(first, &[(1, 3 * SEGMENT)]);
    let why = "the archive goes on along timeline 1 to 0/4000000";
    expect(&short, "recovery", Verdict::Fail, why);
    let astray = along(first, &[(1, 3 * SEGMENT), (2, 5 * SEGMENT)]);
    let why = "followed timeline 2, not 1 as stated";
    expect(&astray, "recovery", Verdict::Fail, why);
    let taken_on = |timeline| {
        let mut current = along(TargetTimeline::Current, &[(1, 4 * SEGMENT)]);
        for event in &mut current.events {
            if let EventKind::BackupTaken(backup) = &mut event.kind {
                backup.listed.timeline = timeline;
            }
        }
        current
    };
    let why = "on which timeline the backup was taken is not known";
    expect(&taken_on(None), "recovery", Verdict::Unknown, why);
    expect(
        &taken_on(Some(1)),
        "recovery",
        Verdict::Pass,
        "along timeline 1",
    );
    expect(&taken_on(Some(2)), "recovery", Verdict::Fail, "1, not 2");
}

/// Whether a target was reached PostgreSQL says; along which timeline is told all the same.
#[test]
fn a_target_along_a_stated_timeline_is_judged_by_the_timeline() {
    let along = |number| {
        let mut fixture = recovered(|recovery| recovery.left = vec![(1, 2 * SEGMENT)]);
        for step in &mut fixture.plan.steps {
            if let Action::Restore(restore) = &mut step.action {
                restore.target = Target::Name("release".into());
                restore.timeline = Some(TargetTimeline::Number(number));
            }
        }
        fixture
    };
    expect(&along(1), "recovery", Verdict::Pass, "followed timeline 1");
    expect(&along(2), "recovery", Verdict::Fail, "timeline 1, not 2");
}

#[test]
fn a_recovery_that_never_came_to_the_timeline_it_followed_is_red() {
    // As PostgreSQL 15 writes the history where 00000002.history is all there is of timeline 2.
    let ended = |at: u64| {
        recovered(move |recovery| {
            recovery.left = vec![(1, 4 * SEGMENT), (2, at)];
            recovery.archive.insert("00000002.history".into(), 41);
        })
    };
    expect(
        &ended(2 * SEGMENT),
        "recovery",
        Verdict::Fail,
        "reached 0/2000000, and timeline 2 goes on from 0/4000000 (segment \
         000000010000000000000002 refused)",
    );
    let at_the_branch = ended(4 * SEGMENT);
    expect(&at_the_branch, "recovery", Verdict::Pass, "0/4000000");
    // Nor where the archive holds nothing any more.
    let mut nothing_else = ended(2 * SEGMENT);
    for event in &mut nothing_else.events {
        if let EventKind::Recovered(recovery) = &mut event.kind {
            recovery
                .archive
                .retain(|file, _| file.ends_with(".history"));
        }
    }
    let text = "000000010000000000000002 is not in the archive";
    expect(&nothing_else, "recovery", Verdict::Fail, text);
}

#[test]
fn compressed_segments_count_and_other_files_do_not() {
    let packed = recovered(|recovery| {
        recovery.archive.insert(name(1, 4) + ".gz", 80_000);
    });
    expect(
        &packed,
        "recovery",
        Verdict::Fail,
        "000000010000000000000004 refused",
    );
    let killed_while_copying = recovered(|recovery| {
        recovery.archive.insert(name(1, 4) + ".part", 70_000);
    });
    expect(
        &killed_while_copying,
        "recovery",
        Verdict::Pass,
        "the end of the archive",
    );
    let beside = recovered(|recovery| {
        for file in [
            "000000010000000000000004.partial",
            "00000002.history",
            "000000010000000000000004.part.7",
            "000000010000000000000005.part",
        ] {
            recovery.archive.insert(file.into(), SEGMENT);
        }
        // Still being copied when recovery began.
        recovery.archive.insert(name(1, 4), 4096);
    });
    expect(&beside, "recovery", Verdict::Pass, "the end of the archive");
}

#[test]
fn a_recovery_of_which_nothing_is_known_is_no_pass() {
    let silent = lost_server().without(|kind| matches!(kind, EventKind::Recovered(_)));
    expect(&silent, "recovery", Verdict::Unknown, "not recovered");
    let nowhere = recovered(|recovery| recovery.left.clear());
    expect(&nowhere, "recovery", Verdict::Unknown, "no history");
    let judged = |fixture: &HistoryFixture| {
        fixture
            .judge()
            .findings
            .iter()
            .any(|one| one.id == "recovery")
    };
    let mut none = lost_server();
    none.plan.strategy.wal = Wal::None;
    assert!(!judged(&none) && !judged(&salvage()));
    assert!(!judged(&recovered(|recovery| recovery.archive.clear())));
}
