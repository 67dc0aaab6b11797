//! Sockets that stand for a container engine: the machine's own by a way that can be cut or
//! fall silent, one that lacks images, one that never says a word.

use std::{future::pending, path::PathBuf, pin::pin};

use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, copy_bidirectional},
    net::{UnixListener, UnixStream},
    task::{JoinHandle, JoinSet},
};
use tokio_util::sync::CancellationToken;

use crate::cli::place;

/// An engine's socket that can be taken away.
pub struct Engine {
    _dir: TempDir,
    socket: PathBuf,
    serving: JoinHandle<()>,
    silence: CancellationToken,
}

impl Engine {
    fn serve<F: Future<Output = ()> + Send + 'static>(
        answer: impl Fn(UnixStream) -> F + Send + 'static,
    ) -> Self {
        let dir = place();
        let socket = dir.path().join("engine.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let silence = CancellationToken::new();
        let hangs = silence.clone();
        let serving = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((connection, _)) = listener.accept().await {
                let (answered, hangs) = (answer(connection), hangs.clone());
                connections.spawn(async move {
                    // Held, so that the connection stays open in silence.
                    let mut answered = pin!(answered);
                    tokio::select! {
                        biased;
                        () = hangs.cancelled() => pending().await,
                        () = &mut answered => {}
                    }
                });
            }
        });
        Self {
            _dir: dir,
            socket,
            serving,
            silence,
        }
    }

    /// The machine's own engine, by a way that can be cut.
    pub fn behind_proxy() -> Self {
        Self::serve(|mut near| async move {
            let mut far = UnixStream::connect("/var/run/docker.sock").await.unwrap();
            // Either side may hang up at any time.
            let _ = copy_bidirectional(&mut near, &mut far).await;
        })
    }

    /// One that has the base images only, and cannot build.
    pub fn without_images() -> Self {
        Self::serve(|connection| async move {
            let mut connection = BufReader::new(connection);
            let request = request(&mut connection).await;
            let (status, body) = match request.as_str() {
                path if path.contains("/version") => {
                    (200, r#"{"Version":"1","ApiVersion":"1.41"}"#)
                }
                path if path.contains("/build") => (
                    500,
                    r#"{"message":"write /var/lib/docker/tmp: no space left on device"}"#,
                ),
                path if path.contains("/images/debian") => (200, r#"{"Id":"sha256:0"}"#),
                _ => (404, r#"{"message":"No such image"}"#),
            };
            let answer = format!(
                "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            );
            let _ = connection.write_all(answer.as_bytes()).await;
        })
    }

    /// One that takes every request and answers none.
    pub fn silent() -> Self {
        let engine = Self::behind_proxy();
        engine.hang();
        engine
    }

    pub fn host(&self) -> String {
        format!("unix://{}", self.socket.display())
    }

    /// From now on it takes connections and requests and answers none.
    pub fn hang(&self) {
        self.silence.cancel();
    }

    /// Cuts every connection; there are no new ones.
    pub async fn stop(self) {
        self.serving.abort();
        let _ = self.serving.await;
    }
}

/// Reads a request to its end and returns its first line.
async fn request(connection: &mut BufReader<UnixStream>) -> String {
    let (mut head, mut line) = (Vec::new(), String::new());
    while connection.read_line(&mut line).await.unwrap() > 2 {
        head.push(std::mem::take(&mut line).to_ascii_lowercase());
    }
    if head.iter().any(|line| line.contains("chunked")) {
        let mut body = Vec::new();
        while !body.ends_with(b"0\r\n\r\n") && connection.read_buf(&mut body).await.unwrap() > 0 {}
    }
    head.first().cloned().unwrap_or_default()
}
