//! Which transactions came after the recovery target.
//!
//! The scratch server stopped somewhere in production's own history, so it knows: what it
//! has as committed happened before; what it never heard of, or had in progress, after.

use super::{SalvageError, SalvageRequest, session::Session};
use crate::postgres::query::Cells;

/// Production's history as the scratch server knows it.
pub(super) struct Horizon {
    /// The first transaction that the scratch server never heard of; 0 of one made of a dump, whose
    /// transactions are all its own.
    pub next: u64,
    faults: Vec<u64>,
}

/// Next transaction when the scratch server's current timeline began: its first checkpoint
/// tells, so that transactions of its own (of autovacuum, say) are not taken for production's. One
/// that waits at its target has none of its own.
const NEXT: &str = "
SELECT CASE WHEN pg_is_in_recovery() THEN pg_snapshot_xmax(pg_current_snapshot())::text::bigint
  WHEN c.timeline_id = ('x' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8))::bit(32)::int
  THEN split_part(c.next_xid, ':', 1)::bigint << 32 | split_part(c.next_xid, ':', 2)::bigint
  ELSE pg_snapshot_xmax(pg_current_snapshot())::text::bigint END
FROM pg_control_checkpoint() c";

impl Horizon {
    /// Asks the scratch server.
    ///
    /// # Errors
    /// When the scratch server has a transaction itself that is to be undone, or does not answer.
    pub async fn of(scratch: &Session<'_>, request: &SalvageRequest) -> Result<Self, SalvageError> {
        let next: i64 = match request.logical {
            true => 0,
            false => scratch.one(NEXT).await?.cell(0)?,
        };
        let next = next.unsigned_abs();
        for &xid in &request.undone_xids {
            if xid < next && !unknown(scratch, xid).await? {
                return Err(SalvageError::AfterFault(xid));
            }
        }
        let faults = request.fault_xids.clone();
        Ok(Self { next, faults })
    }

    pub fn faults(&self) -> &[u64] {
        &self.faults
    }

    /// Of these `xmin`s, those of transactions whose rows must survive.
    pub async fn later(
        &self,
        scratch: &Session<'_>,
        xmins: &[String],
    ) -> Result<Vec<String>, SalvageError> {
        let mut later = Vec::new();
        for xmin in xmins {
            let short: u32 = xmin.parse().unwrap_or_default();
            let whole = whole(short, self.next);
            if self.faults.iter().any(|xid| *xid as u32 == short) {
                continue;
            }
            if short >= FIRST_NORMAL && (whole >= self.next || unknown(scratch, whole).await?) {
                later.push(xmin.clone());
            }
        }
        Ok(later)
    }
}

/// The first transaction id that is not reserved (bootstrap, frozen).
const FIRST_NORMAL: u32 = 3;

async fn unknown(scratch: &Session<'_>, xid: u64) -> Result<bool, SalvageError> {
    let row = scratch
        .one(&format!(
            "SELECT coalesce(pg_xact_status('{xid}'::xid8), 'committed') <> 'committed'"
        ))
        .await?;
    Ok(row.cell(0)?)
}

/// A 32-bit transaction id in the epoch nearest to another.
fn whole(short: u32, near: u64) -> u64 {
    let guess = near & !u64::from(u32::MAX) | u64::from(short);
    let half = 1 << 31;
    if guess > near + half {
        guess.saturating_sub(1 << 32)
    } else if guess + half < near {
        guess + (1 << 32)
    } else {
        guess
    }
}

#[cfg(test)]
mod tests {
    use super::whole;

    #[test]
    fn short_ids_are_read_in_the_nearest_epoch() {
        assert_eq!(whole(1000, 900), 1000);
        assert_eq!(whole(5, (1 << 32) - 10), (1 << 32) + 5);
        assert_eq!(whole(u32::MAX, 1 << 32 | 10), u64::from(u32::MAX));
    }
}
