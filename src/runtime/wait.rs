//! Waiting for a condition: a name, a deadline and a last status, never a bare sleep.

use std::{future::Future, time::Duration};

use tokio::time::Instant;

/// Looks every `pause` until `look` answers; its last status when the deadline passes.
///
/// # Errors
/// The last status, with what was waited for and how long.
pub async fn until<T, F: Future<Output = Result<T, String>>>(
    what: &str,
    deadline: Duration,
    pause: Duration,
    mut look: impl FnMut() -> F,
) -> Result<T, String> {
    let end = Instant::now() + deadline;
    loop {
        match look().await {
            Ok(found) => return Ok(found),
            Err(status) if Instant::now() >= end => {
                let waited = crate::units::Time(deadline);
                return Err(format!("waited {waited} until {what}: {status}"));
            }
            Err(_) => tokio::time::sleep(pause).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_wait_ends_with_its_last_status() {
        let mut looked = 0;
        let deadline = Duration::from_millis(20);
        let waited: Result<(), _> = until("it rains", deadline, deadline, || {
            looked += 1;
            std::future::ready(Err(format!("{looked} looks")))
        })
        .await;
        assert_eq!(waited.unwrap_err(), "waited 20ms until it rains: 2 looks");
    }
}
