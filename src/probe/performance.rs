//! How long the business's reading operations take.

use std::time::Instant;

use super::{
    ProbeError, ProbeTarget,
    business::{self, Operation},
    pg,
};
use crate::{
    observation::{Observation, QueryTiming},
    postgres::PgError,
};

const RUNS: u32 = 30;
/// What a server says to a write in a read-only transaction.
pub(super) const READ_ONLY: &str = "25006";

/// Times every permitted operation that only reads.
pub async fn look(target: &ProbeTarget<'_>) -> Result<Observation, ProbeError> {
    let mut timings = Vec::new();
    let permitted = target.business.iter().filter(|op| op.refused.is_none());
    for operation in permitted {
        timings.extend(time(target, operation).await?);
    }
    Ok(Observation::Performance(timings))
}

/// None for an operation that writes: the server tells, in a read-only transaction.
async fn time(
    target: &ProbeTarget<'_>,
    operation: &Operation,
) -> Result<Option<QueryTiming>, ProbeError> {
    let client = business::login(target, operation).await?;
    let doing = || format!("time `{}`", operation.name);
    let mut times = Vec::with_capacity(RUNS as usize);
    for _ in 0..RUNS {
        business::begin(&client, operation, Some(1), "BEGIN READ ONLY")
            .await
            .map_err(pg(doing()))?;
        let began = Instant::now();
        let result = client.simple_query(&operation.sql).await;
        times.push(began.elapsed().as_micros() as u64);
        match result {
            Err(error) if error.code().is_some_and(|code| code.code() == READ_ONLY) => {
                return Ok(None);
            }
            Err(error) => return Err(PgError::new(doing(), &error).into()),
            Ok(_) => client
                .batch_execute("ROLLBACK")
                .await
                .map_err(pg(doing()))?,
        }
    }
    times.sort_unstable();
    Ok(Some(QueryTiming {
        name: target.plan.told(&operation.name, &operation.database),
        runs: RUNS,
        p50_us: quantile(&times, 50),
        p95_us: quantile(&times, 95),
    }))
}

/// The smallest time that at least so many of a hundred did not exceed.
fn quantile(sorted: &[u64], percent: usize) -> u64 {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted[rank.clamp(1, sorted.len()) - 1]
}

#[cfg(test)]
mod tests {
    use super::quantile;

    #[test]
    fn quantiles_are_order_statistics() {
        let times: Vec<u64> = (1..=30).collect();
        assert_eq!((quantile(&times, 50), quantile(&times, 95)), (15, 29));
        assert_eq!(quantile(&[7], 95), 7);
    }
}
