//! Accepts connections, over TLS: `s3s` knows S3, `objects` keeps what it is given as files. What a
//! request is answered is `answer`.

use std::{convert::Infallible, fs, sync::Arc};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use s3s::{
    auth::SimpleAuth,
    service::{S3Service, S3ServiceBuilder},
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
};
use tokio_rustls::TlsAcceptor;

use super::{
    CA, CONDUCT, ObjectStoreError, Settings, TALLY,
    answer::answered,
    conduct::{self, Conduct},
    interruption::interrupt,
    objects::Objects,
    stale::Stale,
    tally::Counted,
    tls, write_whole,
};
use crate::bandwidth::Line;

/// What every connection has a handle of.
#[derive(Clone)]
pub struct Shared {
    pub s3: S3Service,
    tls: TlsAcceptor,
    pub conduct: watch::Receiver<Conduct>,
    pub counted: Arc<Counted>,
    pub line: Arc<Line>,
    pub stale: Arc<Stale>,
}

/// Serves until it is killed.
///
/// # Errors
/// When it can't begin, or can't tell what it does.
pub async fn serve(settings: Settings) -> Result<Infallible, ObjectStoreError> {
    let bucket = settings.root.join(&settings.bucket);
    fs::create_dir_all(bucket).map_err(ObjectStoreError::new("create its bucket"))?;
    fs::create_dir_all(settings.state()).map_err(ObjectStoreError::new("create its files"))?;
    let (tls, ca) = tls::acceptor(&settings.host)?;
    let listen = &settings.listen;
    let failed = ObjectStoreError::new(format!("listen at {listen}"));
    let listener = TcpListener::bind(listen).await.map_err(failed)?;
    let (told, conduct) = watch::channel(Conduct::default());
    let stale = Stale::new(&settings)?;
    let objects = Objects::new(&settings.root, &stale.root, conduct.clone())?;
    let shared = Shared {
        s3: for_those_with_the_keys(objects, &settings),
        tls,
        conduct,
        counted: Arc::default(),
        line: Arc::default(),
        stale: stale.into(),
    };
    let [ca_file, conduct_file, tally] =
        [CA, CONDUCT, TALLY].map(|file| settings.state().join(file));
    write_whole(&ca_file, ca.as_bytes()).map_err(ObjectStoreError::new("write its certificate"))?;
    tokio::select! {
        end = conduct::follow(&conduct_file, &told, &shared.stale) => end?,
        end = shared.counted.tell(&tally) => end?,
        end = accept(listener, &shared) => end?,
        never = interrupt(&told, &shared.counted) => return Ok(never),
    }
    unreachable!("each of them ends with an error alone")
}

fn for_those_with_the_keys(objects: Objects, settings: &Settings) -> S3Service {
    let (access_key, secret_key) = (&settings.access_key, &settings.secret_key);
    let mut builder = S3ServiceBuilder::new(objects);
    builder.set_auth(SimpleAuth::from_single(
        access_key.clone(),
        secret_key.clone(),
    ));
    builder.build()
}

async fn accept(listener: TcpListener, shared: &Shared) -> Result<(), ObjectStoreError> {
    loop {
        let accepted = listener.accept().await;
        let (socket, _) = accepted.map_err(ObjectStoreError::new("accept connections"))?;
        let shared = shared.clone();
        tokio::spawn(async move { connection(socket, &shared).await });
    }
}

/// One connection, until it is closed by the other side, or by an outage.
async fn connection(socket: TcpStream, shared: &Shared) {
    let mut conduct = shared.conduct.clone();
    tokio::select! {
        // Asked first, each time: whole requests pass between two looks where the client is quick.
        biased;
        _ = conduct.wait_for(|conduct| conduct.outage) => {
            shared.counted.count(|tally| tally.cut += 1);
        }
        () = requests(socket, shared) => {}
    }
}

/// What goes wrong on a connection ends it: the client is told by that.
async fn requests(socket: TcpStream, shared: &Shared) {
    // Without, each small answer waits for the other side's acknowledgement: restores of pgBackRest
    // took four times as long.
    if socket.set_nodelay(true).is_err() {
        return;
    }
    let Ok(stream) = shared.tls.accept(socket).await else {
        return;
    };
    let service = service_fn(|request| answered(request, shared));
    let mut http = http1::Builder::new();
    let _closed = http
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), service)
        .await;
}
