//! Bodies on their way: counted, held to a bandwidth, broken off.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use s3s::{Body, StdError};
use tokio::time::{Sleep, sleep_until};

use crate::bandwidth::Line;

/// A body that passes as the conduct has it.
pub struct Paced {
    pub inner: Body,
    pub line: Arc<Line>,
    /// Bytes a second; 0: as fast as it can.
    pub bandwidth: u64,
    /// Bytes that may pass before it breaks off; none: all.
    pub left: Option<u64>,
    pub passed: Box<dyn Fn(u64) + Send + Sync>,
    /// What passes next, and when.
    pub waiting: Option<(Pin<Box<Sleep>>, Bytes)>,
}

type Polled = Poll<Option<Result<Frame<Bytes>, StdError>>>;

impl Paced {
    fn pass(&self, bytes: Bytes) -> Polled {
        (self.passed)(bytes.len() as u64);
        Poll::Ready(Some(Ok(Frame::data(bytes))))
    }

    /// The body breaks off before these bytes where they are more than may pass.
    fn let_through(&mut self, bytes: usize) -> Result<(), StdError> {
        let Some(left) = &mut self.left else {
            return Ok(());
        };
        let rest = left.checked_sub(bytes as u64);
        *left = rest.ok_or_else(|| io::Error::from(io::ErrorKind::ConnectionReset))?;
        Ok(())
    }
}

impl hyper::body::Body for Paced {
    type Data = Bytes;
    type Error = StdError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled {
        let this = &mut *self;
        loop {
            if let Some((sleep, bytes)) = &mut this.waiting {
                ready!(sleep.as_mut().poll(cx));
                let bytes = std::mem::take(bytes);
                this.waiting = None;
                return this.pass(bytes);
            }
            let Some(frame) = ready!(Pin::new(&mut this.inner).poll_frame(cx)?) else {
                return Poll::Ready(None);
            };
            let bytes = match frame.into_data() {
                Ok(bytes) => bytes,
                Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
            };
            this.let_through(bytes.len())?;
            if this.bandwidth == 0 {
                return this.pass(bytes);
            }
            let until = this.line.passes(bytes.len() as u64, this.bandwidth);
            this.waiting = Some((Box::pin(sleep_until(until)), bytes));
        }
    }

    fn is_end_stream(&self) -> bool {
        self.waiting.is_none() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
