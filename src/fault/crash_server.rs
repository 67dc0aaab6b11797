//! kill -9 of every process; the storage stays.

use super::*;

pub(super) struct CrashServer;

impl Kind for CrashServer {
    fn facts(&self) -> Facts<'_> {
        Facts {
            boundary: BoundaryKind::Instant,
            errors: lose_server::ERRORS,
            server_after: ServerAfter::Down,
            healed_by: &["start"],
            ..Facts::of_server()
        }
    }

    async fn inject(&self, injection: &Injection<'_>) -> Result<FaultRecord, FaultError> {
        let server = injection.server;
        let begun = injection.begin().await?;
        server.node.kill().await?;
        let record = injection.end(begun);
        let effect = unreachable(server).await;
        server.node.start().await?;
        Ok(effect.of(record))
    }
}

async fn unreachable(server: &Server) -> Effect {
    let answer = server.connect().await;
    Effect {
        took: answer.is_err(),
        evidence: match answer {
            Err(error) => error.to_string(),
            Ok(_) => "the server still answers".into(),
        },
    }
}
