//! A connection of a drill, metered: from a request until its answer is there, time passes
//! inside the server.
//!
//! A request is what was written since the last `ReadyForQuery`. While an answer that has
//! come is being worked on, time is the harness's own, and nothing here counts it. What
//! the harness writes in one request (a COPY into the server) counts as the server's.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::meter::{Activity, Meter, Stretch};

/// `ReadyForQuery`, the last message of every answer, without the transaction's state.
const READY: [u8; 5] = [b'Z', 0, 0, 0, 5];

#[derive(Debug)]
pub struct Metered<S> {
    stream: S,
    /// None beside a drill: nothing is counted.
    meter: Option<Meter>,
    /// Whether an answer is outstanding.
    asked: bool,
    /// The last bytes that came.
    tail: [u8; READY.len() + 1],
    waiting: Option<Stretch>,
}

impl<S> Metered<S> {
    /// Counts for the drill that this task performs, if it performs one.
    pub fn new(stream: S) -> Self {
        Self {
            stream,
            meter: Meter::current(),
            asked: false,
            tail: Default::default(),
            waiting: None,
        }
    }

    fn begin(&mut self) {
        if self.asked && self.waiting.is_none() {
            self.waiting = self
                .meter
                .as_ref()
                .map(|meter| meter.begin(Activity::Server));
        }
    }

    fn came(&mut self, bytes: &[u8]) {
        let keep = self.tail.len().saturating_sub(bytes.len());
        let size = self.tail.len();
        self.tail.copy_within(size - keep.., 0);
        self.tail[keep..].copy_from_slice(&bytes[bytes.len() - (size - keep)..]);
        self.asked &= !self.tail.starts_with(&READY);
        self.waiting = None;
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Metered<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        match polled {
            Poll::Pending => self.begin(),
            Poll::Ready(_) => self.came(&buffer.filled()[before..]),
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Metered<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.asked = true;
        self.begin();
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.waiting = None;
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    const PAUSE: Duration = Duration::from_millis(10);

    #[tokio::test]
    async fn the_server_has_the_time_from_a_request_to_its_ready_for_query() {
        let meter = Meter::new(Instant::now());
        let (ours, mut server) = duplex(64);
        let mut ours = meter.clone().over(async { Metered::new(ours) }).await;
        // Nothing was asked: a notice that comes late is not waited for.
        let idle = async {
            tokio::time::sleep(PAUSE).await;
            server.write_all(b"N").await.unwrap();
        };
        tokio::join!(idle, async { ours.read_u8().await.unwrap() });
        assert_eq!(meter.take().servers_us, 0);

        ours.write_all(b"Q").await.unwrap();
        let answer = async {
            tokio::time::sleep(PAUSE).await;
            server.write_all(b"DZ\0\0\0").await.unwrap();
            tokio::time::sleep(PAUSE).await;
            server.write_all(b"\x05I").await.unwrap();
        };
        let mut buffer = [0; 7];
        let (_, read) = tokio::join!(answer, ours.read_exact(&mut buffer));
        read.unwrap();
        let spent = meter.take();
        assert!(spent.servers_us >= 2 * PAUSE.as_micros() as u64);
        assert!(!ours.asked && ours.waiting.is_none());
    }
}
