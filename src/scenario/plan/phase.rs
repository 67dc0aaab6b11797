//! The spans that a recovery time is made of.

use serde::{Deserialize, Serialize};

/// A span of the recovery time. Every instant of a drill belongs to exactly one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Before the first fault: set-up, load, backups, business as usual.
    Steady,
    /// The fault is being injected.
    Inject,
    /// Until somebody notices (timed here; the declared constant is added in the report).
    Detect,
    /// Until somebody decides.
    Decide,
    /// Revoking a business's writes.
    Freeze,
    /// A new node and its directories.
    Provision,
    /// Fetching the backup from the storage.
    Fetch,
    /// Combining or extracting it.
    Combine,
    /// Replay until consistency.
    ReplayToConsistency,
    /// Replay from there to the target.
    ReplayToTarget,
    /// Promotion.
    Promote,
    /// Exporting and importing lost rows.
    Salvage,
    Reindex,
    /// Starting a server in place.
    Start,
    /// The gate checks.
    Verify,
    /// Moving clients, or granting writes back.
    CutOver,
    /// Business as usual after it; RTO ends at the first transaction in it.
    Run,
    /// Anything else a scenario does.
    Other,
}
