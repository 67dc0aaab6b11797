//! Executing one command in a container, to its end or its deadline.

use std::{
    pin::Pin,
    time::{Duration, Instant},
};

use bollard::{
    container::LogOutput,
    errors::Error,
    exec::{CreateExecOptions, StartExecResults},
};
use futures_util::{Stream, StreamExt};
use tokio::{io::AsyncWriteExt, task::JoinHandle};

use super::engine::Engine;
use crate::runtime::{
    Exec, RunAs, RuntimeError,
    exec::{Ended, GRACE, Lines, UNTRANSLATED, keep},
    wait,
};

/// After so long without output we ask whether the command still runs: a daemon it left
/// may hold its output open.
const SILENCE: Duration = Duration::from_secs(2);

type Chunks = Pin<Box<dyn Stream<Item = Result<LogOutput, Error>> + Send>>;

/// Executes a command and says how it ended. `node` is for messages only.
pub async fn perform(
    engine: &Engine,
    container: &str,
    node: &str,
    exec: &Exec,
) -> Result<Ended, RuntimeError> {
    let error = RuntimeError::engine(format!("execute `{}` on `{node}`", exec.program()));
    let began = Instant::now();
    let created = engine.api.create_exec(container, options(exec)).await;
    let id = created.map_err(&error)?.id;
    let (feeding, chunks) = match engine.api.start_exec(&id, None).await.map_err(&error)? {
        StartExecResults::Attached { output, input } => (feed(input, exec), output),
        StartExecResults::Detached => unreachable!("it was not asked for"),
    };
    let read = read(engine, &id, chunks, exec).await;
    feeding.abort();
    let (stdout, stderr) = read.map_err(&error)?;
    let exit = exit_code(engine, &id)
        .await
        .map_err(|cause| RuntimeError::Engine {
            doing: format!("learn how `{}` ended on `{node}`", exec.program()),
            cause,
        })?;
    // 124: ended by SIGTERM of `timeout`; 137: killed by it.
    let timed_out = matches!(exit, 124 | 137) && began.elapsed() >= exec.deadline;
    Ok(Ended {
        exit,
        stdout,
        stderr,
        timed_out,
    })
}

/// `timeout` in the container really ends the command at its deadline, with its whole
/// process group; letting go of the connection would not.
fn options(exec: &Exec) -> CreateExecOptions<String> {
    let seconds = exec.deadline.as_secs_f64().max(0.001);
    let mut argv = vec![
        "timeout".to_owned(),
        format!("--kill-after={}", GRACE.as_secs()),
        format!("{seconds:.3}"),
    ];
    argv.extend(exec.argv.iter().cloned());
    let own = exec.env.iter().map(|(name, value)| (&**name, &**value));
    let env = std::iter::once(UNTRANSLATED).chain(own);
    CreateExecOptions {
        attach_stdin: Some(!exec.stdin.is_empty()),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        env: Some(env.map(|(name, value)| format!("{name}={value}")).collect()),
        cmd: Some(argv),
        user: Some(user(exec.run_as).to_owned()),
        ..CreateExecOptions::default()
    }
}

/// The user's name inside a container.
pub fn user(run_as: RunAs) -> &'static str {
    match run_as {
        RunAs::Postgres => "postgres",
        RunAs::Root => "root",
    }
}

fn feed(mut input: Pin<Box<dyn tokio::io::AsyncWrite + Send>>, exec: &Exec) -> JoinHandle<()> {
    let content = exec.stdin.clone();
    tokio::spawn(async move {
        if content.is_empty() {
            // Kept open: some engines end the output with the input.
            std::future::pending::<()>().await;
        }
        // A command need not read all of its input.
        let _ = input.write_all(&content).await;
        let _ = input.shutdown().await;
        std::future::pending::<()>().await;
    })
}

async fn read(
    engine: &Engine,
    id: &str,
    mut chunks: Chunks,
    exec: &Exec,
) -> Result<(Vec<u8>, Vec<u8>), Error> {
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let lines = || Lines::new(exec.lines.clone());
    let (mut out_lines, mut err_lines) = (lines(), lines());
    loop {
        match tokio::time::timeout(SILENCE, chunks.next()).await {
            Ok(Some(Ok(LogOutput::StdErr { message }))) => {
                err_lines.push(&message);
                keep(&mut stderr, &message);
            }
            Ok(Some(Ok(chunk))) => {
                let message = chunk.into_bytes();
                out_lines.push(&message);
                keep(&mut stdout, &message);
            }
            Ok(Some(Err(error))) => return Err(error),
            Ok(None) => return Ok((stdout, stderr)),
            Err(_) => {
                let state = engine.api.inspect_exec(id).await?;
                if state.running == Some(false) {
                    return Ok((stdout, stderr));
                }
            }
        }
    }
}

/// The output ends a little before the engine knows the exit code.
async fn exit_code(engine: &Engine, id: &str) -> Result<i32, String> {
    let (deadline, pause) = (Duration::from_secs(10), Duration::from_millis(5));
    let looked = wait::until("its exit code is known", deadline, pause, || async move {
        match engine.api.inspect_exec(id).await {
            Ok(state) if state.running == Some(true) => Err("it still runs".into()),
            Ok(state) => match state.exit_code {
                Some(code) => Ok(Ok(code as i32)),
                None => Err("it has none yet".into()),
            },
            // The container has gone: no use in asking again.
            Err(error) => Ok(Err(super::engine::plain(&error))),
        }
    });
    looked.await?
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server is started by a command, and inherits its environment.
    #[test]
    fn what_a_server_says_is_not_translated() {
        let mut exec = Exec::new(["pg_ctl", "start"]);
        exec.env = vec![("PGOPTIONS".into(), "-c work_mem=8MB".into())];
        let env = options(&exec).env.unwrap();
        assert_eq!(env, ["LANGUAGE=C", "PGOPTIONS=-c work_mem=8MB"]);
    }
}
