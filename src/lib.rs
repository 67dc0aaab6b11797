//! pgdrill: continuous verification and drills for PostgreSQL backup and recovery.
//!
//! **A scenario becomes a plan; a drill performs the plan and appends events to a
//! history; checks judge the history; reports render the judgement.** Nothing flows
//! back, so an old run is judged again without any server (`pgdrill analyze`).
//!
//! ```text
//! scenario.yaml ─▶ scenario ─▶ Plan ─▶ drill ─▶ Event… ─▶ history.jsonl, ledger, readback
//!                                                   │
//!                    check, measure (Plan, Event…) ─▶ Finding… ─▶ Verdict ─▶ report
//! ```
//!
//! This page is the map: each room in a line or two. What a room must not do is said
//! at its own door.
//!
//! Reading and telling, without any server:
//! - [`scenario`]: file format, places, validation, matrix; the [`scenario::plan::Plan`].
//! - [`event`], [`observation`]: what is recorded, the one interface between doing and telling.
//! - [`history`], [`ledger`], [`row_images`]: the files a drill leaves; append and replay.
//! - [`meter`]: how much of a drill's time passes outside the harness.
//! - [`measure`]: RPO, RTO, outage, projected RPO, from what was recorded.
//! - [`check`]: one file a check; [`finding`]: what they say, and verdicts.
//! - [`report`]: terminal (the only place that prints), JSON, JUnit, HTML.
//! - [`promises`]: what a backup system promises, beside what runs measured.
//! - [`baseline`]: what a server in production holds, recorded to hold restored backups against.
//! - [`notify`]: a run told where people are, one file a channel.
//! - [`publish`]: a run's histories in somebody's database.
//! - [`serve`]: the report API: reports of backups in a directory, by HTTP.
//!
//! Doing:
//! - [`drill`]: the loop that performs a plan and removes everything.
//! - [`runtime`]: where a node runs: containers, or processes of this machine.
//! - [`postgres`]: one server on one node, and connections to it.
//! - [`model`]: data models and their bulk loader; [`workload`]: the live clients.
//! - [`backup`], [`restore`]: one file a tool; recovery targets, recovery, salvage.
//! - [`store`]: where backups and WAL lie: what each holds, one file a kind.
//! - [`object_store`]: a store that speaks S3, a program of its own in a node.
//! - [`bucket`]: somebody's bucket, asked, mirrored and rid of a drill's objects.
//! - [`fault`]: one file each: what is known of it, and how it is injected.
//! - [`probe`]: look at a server and say what was seen, without judging.
//!
//! Words used everywhere: [`units`] (time, bytes, rates), [`wal`] (segments, positions),
//! [`text`] (on one line), [`secret`] (cannot be printed), [`tls`], [`bandwidth`]; [`bug`]: what a panic of the harness itself comes to.
//! [`cli`] asks for all of it.

#[cfg(test)]
extern crate self as pgdrill;

pub mod backup;
pub mod bandwidth;
pub mod baseline;
pub mod bucket;
pub mod bug;
pub mod check;
pub mod cli;
pub mod drill;
pub mod event;
pub mod fault;
pub mod finding;
pub mod history;
pub mod ledger;
pub mod measure;
pub mod meter;
pub mod model;
pub mod notify;
pub mod object_store;
pub mod observation;
pub mod postgres;
pub mod probe;
pub mod promises;
pub mod publish;
pub mod report;
pub mod restore;
pub mod row_images;
pub mod runtime;
pub mod scenario;
pub mod secret;
pub mod serve;
pub mod store;
pub mod text;
pub mod tls;
pub mod units;
pub mod wal;
pub mod workload;
