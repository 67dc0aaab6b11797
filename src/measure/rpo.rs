//! RPO as measured: what was lost, in time, transactions and WAL.
//!
//! `measures.md`, "RPO measured". Comparing it with the objective belongs to
//! `check/objectives`.

use serde::{Deserialize, Serialize};

use crate::{
    measure::{
        account::{Account, Loss, Part},
        boundary::Boundary,
        rank,
    },
    units::Time,
};

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Rpo {
    /// Boundary minus acknowledgement of the oldest lost transaction, in microseconds of
    /// the drill; 0 when none is lost; none when not measured (see `unknown`).
    pub measured_us: Option<u64>,
    /// Why it is not measured; empty when it is.
    pub unknown: String,
    /// Transactions lost before the boundary.
    pub transactions: u64,
    /// WAL bytes from the oldest lost commit to the boundary; none when not known.
    pub wal_bytes: Option<u64>,
    /// The tenant that lost most in time (then in transactions); none when no tenant lost anything.
    pub worst_tenant: Option<TenantLoss>,
    /// Boundary minus the last acknowledged write before it: how finely this could tell.
    pub resolution_us: Option<u64>,
    /// Boundary minus the first acknowledged write: nothing older could be lost here. A drill
    /// in which that is less than the objective can't miss it.
    #[serde(default)]
    pub at_stake_us: Option<u64>,
    /// One second of the drill stands for this many.
    pub scale: u32,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TenantLoss {
    pub tenant: u32,
    /// In time, microseconds of the drill.
    pub us: u64,
    pub transactions: u64,
    /// In WAL bytes; none when not known.
    pub wal_bytes: Option<u64>,
}

impl Rpo {
    pub fn unknown(why: impl Into<String>, scale: u32) -> Self {
        Self {
            unknown: why.into(),
            scale,
            ..Self::default()
        }
    }

    /// What it stands for.
    pub fn scaled_us(&self) -> Option<u64> {
        self.measured_us.map(|us| us * u64::from(self.scale.max(1)))
    }

    /// [`scaled`], where it is measured.
    pub fn shown(&self) -> String {
        let unknown = || "unknown".to_owned();
        self.measured_us
            .map_or_else(unknown, |us| scaled(us, self.scale))
    }

    fn rank(&self, objective: Option<Time>) -> (u8, u64) {
        let demanded = objective.map(|objective| demanded_us(objective, self.scale));
        rank(self.measured_us, demanded)
    }

    pub fn worse(self, other: Self, objective: Option<Time>) -> Self {
        if other.rank(objective) > self.rank(objective) {
            return other;
        }
        self
    }

    /// The worse boundary of one recovery, with what was lost at either.
    fn with(self, other: Self, objective: Option<Time>) -> Self {
        let transactions = self.transactions + other.transactions;
        Self {
            transactions,
            ..self.worse(other, objective)
        }
    }
}

/// Measures one recovery of a workload, by the worst of its boundaries; `objective` as the
/// scenario states it (unscaled).
pub fn measure(
    boundaries: &[Boundary],
    account: &Account,
    recovery: usize,
    objective: Option<Time>,
    scale: u32,
) -> Rpo {
    let own = boundaries.iter().zip(&account.parts);
    let own = own.filter(|(boundary, _)| boundary.recovery == recovery);
    let all = own.map(|(boundary, part)| at_boundary(boundary, part, account, objective, scale));
    all.reduce(|one, other| one.with(other, objective))
        .unwrap_or_else(|| {
            let why = "the drill draws no boundary: no fault and no cut-over";
            Rpo::unknown(why, scale)
        })
}

fn at_boundary(
    boundary: &Boundary,
    part: &Part,
    account: &Account,
    objective: Option<Time>,
    scale: u32,
) -> Rpo {
    let (instant_us, lost) = (boundary.instant_us, &part.lost);
    let resolution_us = part
        .last_before_us
        .map(|last| instant_us.saturating_sub(last));
    let lsn = boundary.lsn.map(|lsn| lsn.max(part.highest_lsn));
    let measured_us = oldest(lost).map_or(0, |acked| instant_us.saturating_sub(acked));
    let unknown = too_coarse(resolution_us, measured_us, objective, scale);
    Rpo {
        measured_us: unknown.is_empty().then_some(measured_us),
        unknown,
        transactions: lost.len() as u64,
        wal_bytes: wal(lsn, lost),
        worst_tenant: worst_tenant(instant_us, lsn, lost),
        resolution_us,
        at_stake_us: account
            .first_write_us()
            .map(|first| instant_us.saturating_sub(first)),
        scale,
    }
}

/// The objective in the drill's own, scaled time.
pub fn demanded_us(objective: Time, scale: u32) -> u64 {
    objective.micros() / u64::from(scale.max(1))
}

/// Why a figure can't be trusted; empty when it can. A loss beyond the objective needs no
/// finer resolution to be one.
fn too_coarse(
    resolution: Option<u64>,
    measured: u64,
    objective: Option<Time>,
    scale: u32,
) -> String {
    let Some(last) = resolution else {
        return "no write was acknowledged before the boundary".into();
    };
    let Some(demanded) = objective.map(|objective| demanded_us(objective, scale)) else {
        return String::new();
    };
    if measured > demanded || last <= demanded / 10 {
        return String::new();
    }
    format!(
        "the last write before the boundary was acknowledged {} before it, too far to tell \
         (at most a tenth of the objective, {} in the drill)",
        time(last),
        time(demanded / 10)
    )
}

fn oldest(lost: &[Loss]) -> Option<u64> {
    lost.iter().map(|loss| loss.acked_us).min()
}

fn wal<'l>(boundary: Option<u64>, lost: impl IntoIterator<Item = &'l Loss>) -> Option<u64> {
    let mut lost = lost.into_iter().peekable();
    if lost.peek().is_none() {
        return Some(0);
    }
    let oldest = lost.map(|loss| loss.lsn).filter(|lsn| *lsn != 0).min()?;
    Some(boundary?.saturating_sub(oldest))
}

fn worst_tenant(boundary: u64, lsn: Option<u64>, lost: &[Loss]) -> Option<TenantLoss> {
    let mut by_tenant: Vec<&Loss> = lost.iter().filter(|loss| loss.tenant != 0).collect();
    by_tenant.sort_by_key(|loss| loss.tenant);
    by_tenant
        .chunk_by(|one, other| one.tenant == other.tenant)
        .map(|losses| TenantLoss {
            tenant: losses[0].tenant,
            us: losses
                .iter()
                .map(|l| boundary.saturating_sub(l.acked_us))
                .max()
                .unwrap_or(0),
            transactions: losses.len() as u64,
            wal_bytes: wal(lsn, losses.iter().copied()),
        })
        .max_by_key(|tenant| (tenant.us, tenant.transactions))
}

/// What a time of the drill stands for, with itself: `656ms × 60 = 39.4s`, or `≈` where the figures as
/// they are shown do not give each other.
pub fn scaled(us: u64, scale: u32) -> String {
    if us == 0 || scale <= 1 {
        return time(us);
    }
    let scaled = |us: u64| rounded(us * u64::from(scale));
    let sign = if scaled(rounded(us)) == scaled(us) {
        '='
    } else {
        '≈'
    };
    let stands_for = time(us * u64::from(scale));
    format!("{} × {scale} {sign} {stands_for}", time(us))
}

/// Microseconds as people write a time, as fine as anybody wants to read it; rounded up: nothing that
/// exceeds an objective looks as if it met it.
pub fn time(us: u64) -> String {
    Time(std::time::Duration::from_micros(rounded(us))).to_string()
}

fn rounded(us: u64) -> u64 {
    let unit = match us {
        0..1_000 => 1,
        1_000..1_000_000 => 1_000,
        1_000_000..10_000_000 => 10_000,
        10_000_000..60_000_000 => 100_000,
        _ => 1_000_000,
    };
    us.next_multiple_of(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_looks_shorter_than_it_is() {
        for (us, shown) in [
            (999, "999us"),
            (656_001, "657ms"),
            (2_990_001, "3s"),
            (59_999_999, "1m"),
            (602_990_000, "10m 3s"),
        ] {
            assert_eq!(time(us), shown);
        }
    }

    #[test]
    fn where_there_are_no_tenants_none_lost_most() {
        let lost = |tenant| Loss {
            key: crate::ledger::Key(0),
            version: 0,
            tenant,
            acked_us: 1,
            lsn: 0,
        };
        assert_eq!(worst_tenant(5, None, &[lost(0)]), None);
        let worst = worst_tenant(5, None, &[lost(7)]);
        assert_eq!(worst.map(|one| (one.tenant, one.us)), Some((7, 4)));
    }
}
