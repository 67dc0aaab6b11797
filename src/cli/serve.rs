//! `pgdrill serve DIR`: the reports of backups by HTTP, until it is told to end.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

use tokio_util::sync::CancellationToken;

use super::{CommandResult, Failure, environment, signals::Signals};
use crate::{check::count, finding::Verdict, report::terminal, secret::Secret, serve::ReportApi};

/// Holds the token, where no file does.
const TOKEN: &str = "PGDRILL_SERVE_TOKEN";

const DEFAULT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8480);

/// Serve the reports of backups below a directory by HTTP, as JSON.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The directory below which reports lie: `report.json`, `*.report.json`
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// Where it listens; elsewhere than on a loopback address a token is needed
    #[arg(long, value_name = "ADDRESS:PORT", default_value_t = DEFAULT)]
    listen: SocketAddr,
    /// File with the token that every request must bear; else `PGDRILL_SERVE_TOKEN` of the environment
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

pub async fn run(args: Args) -> CommandResult {
    let token = token(args.token_file.as_deref())?;
    if token.is_none() && !args.listen.ip().is_loopback() {
        return Err(Failure::BadInput(format!(
            "whoever reaches {} could read the reports: a token is needed\n  \
             hint: `--token-file FILE`, or {TOKEN} in the environment; or listen on 127.0.0.1",
            args.listen
        )));
    }
    let mut signals = Signals::heeded().map_err(environment)?;
    let api = ReportApi::open(&args.directory, args.listen, token).await;
    let api = api.map_err(|error| Failure::BadInput(error.to_string()))?;
    let (reports, skipped) = api.counts();
    terminal::say(&format!(
        "listening at http://{}: {}, {} skipped",
        api.address,
        count(reports, "report"),
        count(skipped, "file")
    ));
    let end = CancellationToken::new();
    tokio::join!(api.serve(end.clone()), async {
        signals.next().await;
        end.cancel();
    });
    Ok(Verdict::Pass)
}

/// What every request must bear; none: nothing is stated.
fn token(file: Option<&Path>) -> Result<Option<Secret>, Failure> {
    let (from, text) = match (file, std::env::var_os(TOKEN)) {
        (Some(file), _) => {
            let from = format!("`{}`", file.display());
            let read = std::fs::read_to_string(file);
            let refused =
                |cause| Failure::BadInput(format!("cannot read the token in {from}: {cause}"));
            let text = read.map_err(refused)?;
            (from, text)
        }
        (None, Some(text)) => (TOKEN.to_owned(), text.to_string_lossy().into_owned()),
        (None, None) => return Ok(None),
    };
    let token = text.trim();
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Failure::BadInput(format!(
            "the token in {from} is empty, or holds what no header can\n  \
             hint: one line, such as of `openssl rand -hex 32`"
        )));
    }
    Ok(Some(Secret::new(token)))
}
