//! Connections, and the thread that keeps the index fresh beside them: no request waits for a disk.

use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    pin::pin,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use super::{
    Index, Reports,
    answer::{self, Known},
};
use crate::secret::Secret;

/// From the end of one look at the directory to the next.
const PAUSE: Duration = Duration::from_secs(1);
/// What was seen longer ago than this, and the time that a look takes, is not told as if it were so.
const STALE: Duration = Duration::from_secs(30);
/// A request's head must have come within this, also on a connection that is kept.
const PATIENCE: Duration = Duration::from_secs(10);
/// What is being answered at the end has this long.
const GRACE: Duration = Duration::from_secs(1);
/// Further connections wait until one of these is closed.
const CONNECTIONS: usize = 256;

#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error("cannot read the directory `{}`: {cause}\n  hint: name the directory below which reports lie", .directory.display())]
    Directory {
        directory: PathBuf,
        cause: io::Error,
    },
    #[error(
        "cannot listen at {address}: {cause}\n  hint: choose another address with `--listen`; port 0 is any that is free"
    )]
    Listen {
        address: SocketAddr,
        cause: io::Error,
    },
}

/// The API before it serves: the directory was read, the address taken.
#[derive(Debug)]
pub struct ReportApi {
    listener: TcpListener,
    /// Where it listens.
    pub address: SocketAddr,
    seen: watch::Receiver<Seen>,
    token: Option<Arc<Secret>>,
}

/// What a look at the directory came to.
#[derive(Debug)]
struct Seen {
    reports: io::Result<Arc<Reports>>,
    at: Instant,
    took: Duration,
}

impl ReportApi {
    /// Reads the reports and takes the address. `token`: what every request must bear.
    ///
    /// # Errors
    /// When the directory can't be read, or nobody can listen at the address.
    pub async fn open(
        directory: &Path,
        address: SocketAddr,
        token: Option<Secret>,
    ) -> Result<Self, ServeError> {
        let mut index = Index::new(directory);
        let first = Seen::now(&mut index);
        if let Err(cause) = first.reports {
            let directory = directory.to_owned();
            return Err(ServeError::Directory { directory, cause });
        }
        let refused = |cause| ServeError::Listen { address, cause };
        let listener = TcpListener::bind(address).await.map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        let (told, seen) = watch::channel(first);
        // Of its own, and waited for by nobody: a look may hang with its disk.
        thread::spawn(move || {
            while !told.is_closed() {
                thread::sleep(PAUSE);
                told.send_replace(Seen::now(&mut index));
            }
        });
        Ok(Self {
            listener,
            address,
            seen,
            token: token.map(Arc::new),
        })
    }

    /// How many reports there are, and how many files were skipped.
    pub fn counts(&self) -> (usize, usize) {
        let known = self.seen.borrow().known().unwrap_or_default();
        (known.newest_first.len(), known.skipped)
    }

    /// Serves until it is told to end; what is being answered then is answered.
    pub async fn serve(self, end: CancellationToken) {
        let mut connections = JoinSet::new();
        loop {
            let accept = self.listener.accept();
            tokio::select! {
                accepted = accept, if connections.len() < CONNECTIONS => match accepted {
                    Ok((socket, _)) => {
                        let (seen, token) = (self.seen.clone(), self.token.clone());
                        connections.spawn(connection(socket, seen, token, end.clone()));
                    }
                    // Such as no free file descriptor: one that is closed gives one back.
                    Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
                },
                Some(_closed) = connections.join_next() => {}
                () = end.cancelled() => break,
            }
        }
        while connections.join_next().await.is_some() {}
    }
}

/// One connection, until it is closed by either side. What goes wrong on it ends it.
async fn connection(
    socket: TcpStream,
    seen: watch::Receiver<Seen>,
    token: Option<Arc<Secret>>,
    end: CancellationToken,
) {
    if socket.set_nodelay(true).is_err() {
        return;
    }
    let service = service_fn(|request| {
        let answer = answer::answer(&request, token.as_deref(), seen.borrow().known());
        async { Ok::<_, Infallible>(answer) }
    });
    let mut http = http1::Builder::new();
    let http = http.timer(TokioTimer::new()).header_read_timeout(PATIENCE);
    let mut connection = pin!(http.serve_connection(TokioIo::new(socket), service));
    tokio::select! {
        _closed = connection.as_mut() => {}
        () = end.cancelled() => {
            connection.as_mut().graceful_shutdown();
            let _late = timeout(GRACE, connection).await;
        }
    }
}

impl Seen {
    fn now(index: &mut Index) -> Self {
        let began = Instant::now();
        let reports = index.refresh();
        Self {
            reports,
            at: Instant::now(),
            took: began.elapsed(),
        }
    }

    fn known(&self) -> Known {
        let since = self.at.elapsed();
        if since > STALE + 2 * self.took {
            let seconds = since.as_secs();
            return Err(format!(
                "the directory of reports gives no answer since {seconds} s"
            ));
        }
        let cannot = |cause: &io::Error| format!("the directory of reports can't be read: {cause}");
        self.reports.as_ref().map(Arc::clone).map_err(cannot)
    }
}
