//! Logging in: TCP, SCRAM-SHA-256, and the settings of a client's session.

use std::{io, sync::Arc, time::Duration};

use bytes::BytesMut;
use postgres_protocol::{
    authentication::sasl::{ChannelBinding, SCRAM_SHA_256, ScramSha256},
    message::{backend::Message, frontend},
};
use tokio::net::TcpStream;

use super::{FRAME, Statement, Trouble, Wire};
use crate::{postgres::Access, secret::Secret};

/// A server that does not let a client in within this time is not there.
const CONNECT: Duration = Duration::from_secs(5);
/// The server gives up a statement before the client does: what waits for a lock does
/// not pile up behind clients that have gone.
const STATEMENT_TIMEOUT: &str = "-c statement_timeout=4s";

impl Wire {
    pub async fn connect(access: &Access, statements: Arc<[Statement]>) -> Result<Self, Trouble> {
        let connecting = async {
            let stream = TcpStream::connect((access.host.as_str(), access.port)).await?;
            stream.set_nodelay(true)?;
            let mut wire = Self {
                stream,
                input: BytesMut::with_capacity(8 << 10),
                output: BytesMut::with_capacity(8 << 10),
                prepared: vec![false; statements.len() + FRAME.len()],
                statements,
            };
            wire.log_in(access).await?;
            Ok(wire)
        };
        let connected = tokio::time::timeout(CONNECT, connecting).await;
        connected.unwrap_or_else(|_| Err(io::Error::other("no answer within 5 s").into()))
    }

    async fn log_in(&mut self, access: &Access) -> Result<(), Trouble> {
        let parameters = [
            ("user", access.user.as_str()),
            ("database", access.database.as_str()),
            ("application_name", "pgdrill workload"),
            ("client_encoding", "UTF8"),
            ("options", STATEMENT_TIMEOUT),
        ];
        frontend::startup_message(parameters, &mut self.output)?;
        self.send().await?;
        self.prove(&access.password).await
    }

    /// Answers the server's questions until it is ready.
    async fn prove(&mut self, password: &Secret) -> Result<(), Trouble> {
        let mut scram =
            ScramSha256::new(password.reveal().as_bytes(), ChannelBinding::unsupported());
        loop {
            match self.receive().await? {
                Message::AuthenticationSasl(_) => {
                    frontend::sasl_initial_response(
                        SCRAM_SHA_256,
                        scram.message(),
                        &mut self.output,
                    )?;
                    self.send().await?;
                }
                Message::AuthenticationSaslContinue(body) => {
                    scram.update(body.data())?;
                    frontend::sasl_response(scram.message(), &mut self.output)?;
                    self.send().await?;
                }
                Message::AuthenticationSaslFinal(body) => scram.finish(body.data())?,
                Message::ErrorResponse(body) => return Err(Trouble::said(&body)),
                Message::ReadyForQuery(_) => return Ok(()),
                Message::AuthenticationOk
                | Message::ParameterStatus(_)
                | Message::BackendKeyData(_)
                | Message::NoticeResponse(_) => {}
                _ => {
                    return Err(io::Error::other("server wants no SCRAM-SHA-256").into());
                }
            }
        }
    }
}
