//! kill -9, and the storage gone with it.

use super::*;

/// The postmaster is killed with its processes; one that sees it die first says so.
pub(super) const ERRORS: &[&str] = &["57P01"];

pub(super) struct LoseServer;

impl Kind for LoseServer {
    fn facts(&self) -> Facts<'_> {
        Facts {
            boundary: BoundaryKind::Instant,
            errors: ERRORS,
            server_after: ServerAfter::Lost,
            ..Facts::of_server()
        }
    }

    async fn inject(&self, injection: &Injection<'_>) -> Result<FaultRecord, FaultError> {
        let server = injection.server;
        let access = server.access().await?;
        let begun = injection.begin().await?;
        server.node.remove().await?;
        let record = injection.end(begun);
        let answer = access.connect("pgdrill").await;
        let effect = Effect {
            took: answer.is_err(),
            evidence: match answer {
                Err(error) => format!("node and storage removed; {error}"),
                Ok(_) => "node and storage removed, but something still answers".into(),
            },
        };
        Ok(effect.of(record))
    }
}
