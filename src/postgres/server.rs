//! A server on a node: made from the template cluster, configured, started, stopped.
//!
//! What its files and its command line say is `configuration`. Where a server's data comes
//! from otherwise (a restore) belongs to `restore/`.

use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};

use super::{PgError, configuration::fill_in};
use crate::{
    runtime::{Exec, Node, Output, POSTGRES_PORT, RuntimeError, exec::quoted},
    secret::Secret,
    units::Time,
};

pub const SUPERUSER: &str = "postgres";
/// A database that is always there, for when the drilled one is gone.
pub const DATABASE_TEMPLATE: &str = "template1";
/// The database the drills use (S0's).
pub const DATABASE: &str = "postgres";

/// A stop or start takes no longer that has little to write or to replay.
pub const RESTART: Duration = Duration::from_secs(90);

/// Role → password, made anew for each drill.
pub type Passwords = Arc<BTreeMap<String, Secret>>;

#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    #[error(transparent)]
    Postgres(#[from] PgError),
    #[error("server `{server}` did not start: {cause}\n  the last lines of its log:\n{log}")]
    Start {
        server: String,
        cause: String,
        /// The log's tail, indented.
        log: String,
    },
    #[error(
        "tablespace `{tablespace}` of the restored `{server}` lies in {location}, a directory that is not its own"
    )]
    Foreign {
        server: String,
        tablespace: String,
        location: String,
    },
    #[error(
        "server `{server}`: recovery hangs: {waits} for {within} and nothing moved, {reached} (hint: what does the restore_command wait for?)"
    )]
    Stalled {
        server: String,
        /// What it does, in its own words.
        waits: String,
        /// How long nothing has moved.
        within: Time,
        reached: String,
    },
    #[error("`{server}`: {what} did not happen within {within}; last status: {last}")]
    Wait {
        server: String,
        what: String,
        within: Time,
        last: String,
    },
}

/// A PostgreSQL server on a node. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Server {
    pub name: String,
    pub node: Node,
    pub passwords: Passwords,
    /// The database that the harness logs in to: `template1` unless [`Server::within`] says otherwise.
    pub database: String,
    /// Never to serve clients, archives nothing.
    pub scratch: bool,
    /// Settings whose values hold a path of the node that it was restored from, placeholders not
    /// yet filled in: its own paths stand in their place on its command line.
    pub moved: BTreeMap<String, String>,
}

impl Server {
    /// Unpacks the template cluster, gives it a system identifier of its own, and starts it with
    /// these settings.
    pub async fn create(&self, settings: &BTreeMap<String, String>) -> Result<(), ServerError> {
        let layout = self.node.layout();
        // Reading the template in large records takes two thirds of the time.
        let prepare = format!(
            "set -eu\nmkdir -p {data} {run} {tablespaces}\n\
             chmod 700 {run}\n{fresh}tar -b 512 -C {data} -xf {template}\n",
            data = layout.data.display(),
            run = layout.run.display(),
            tablespaces = layout.tablespaces.display(),
            fresh = fresh(&layout.data),
            template = layout.template.display(),
        );
        let script = prepare
            + &self.identifying()
            + &self.preparing_stores()
            + &self.configuring(settings)
            + &self.starting(&[])
            + &self.setting_password();
        self.start_with(script, RESTART).await
    }

    /// Starts it and waits until it accepts connections.
    pub async fn start(&self, within: Duration) -> Result<(), ServerError> {
        let script = String::from("set -eu\n") + &self.starting(&[]);
        self.start_with(script, within).await
    }

    /// Stops it (`fast`), if it runs.
    pub async fn stop(&self, within: Duration) -> Result<(), ServerError> {
        if self.runs().await? {
            self.pg_ctl(&["-m", "fast", "stop"], within).await?;
        }
        Ok(())
    }

    /// Whether it runs, also one that lets nobody in.
    async fn runs(&self) -> Result<bool, RuntimeError> {
        let layout = self.node.layout();
        let status = format!(
            "{}{} -D {} status",
            unlocking(&layout.data, &layout.run),
            self.program("pg_ctl"),
            layout.data.display()
        );
        let [no_server, no_cluster] = [3, 4];
        let asked = Exec::shell(status).allow(no_server).allow(no_cluster);
        Ok(self.node.exec(asked.unrecorded()).await?.exit == 0)
    }

    /// Has `pg_ctl` do something, and waits until it is done.
    pub async fn pg_ctl(&self, arguments: &[&str], within: Duration) -> Result<(), RuntimeError> {
        let data = self.node.layout().data.display().to_string();
        let seconds = within.as_secs().to_string();
        let exec = Exec::new([&self.program("pg_ctl"), "-D", &data, "-w", "-t", &seconds]);
        let exec = arguments.iter().fold(exec, |exec, one| exec.arg(*one));
        self.node.exec(exec.within(within)).await.map(drop)
    }

    /// Executes one of PostgreSQL's programs in the node, connected as the superuser.
    pub async fn tool<S: AsRef<str>>(
        &self,
        program: &str,
        arguments: &[S],
        deadline: Duration,
    ) -> Result<Output, RuntimeError> {
        let exec = self.tool_on(&self.node, program, arguments);
        self.node.exec(exec.within(deadline)).await
    }

    /// The command that executes one of PostgreSQL's programs on a node, connected to this server
    /// as the superuser.
    pub fn tool_on<S: AsRef<str>>(&self, node: &Node, program: &str, arguments: &[S]) -> Exec {
        let program = node.layout().program(program);
        let arguments = arguments.iter().map(AsRef::as_ref);
        Exec::new(std::iter::once(program.as_str()).chain(arguments))
            .envs(self.environment_on(node))
    }

    /// Environment with which PostgreSQL's tools reach it on its own node.
    pub fn environment(&self) -> Vec<(String, String)> {
        self.environment_on(&self.node)
    }

    /// Environment with which PostgreSQL's tools reach it from a node: from its own over its Unix
    /// socket, from another by the network, with the password that lies there
    /// ([`write_passfile`]).
    pub fn environment_on(&self, node: &Node) -> Vec<(String, String)> {
        let own = self.node.name() == node.name();
        let (host, port) = match own {
            true => (
                node.layout().run.display().to_string(),
                node.port(POSTGRES_PORT),
            ),
            false => self.node.inside_address(POSTGRES_PORT),
        };
        let mut variables = vec![
            ("PGHOST".to_owned(), host),
            ("PGPORT".into(), port.to_string()),
            ("PGUSER".into(), SUPERUSER.into()),
            ("PGDATABASE".into(), self.database.clone()),
        ];
        if !own {
            variables.push(("PGPASSFILE".into(), passfile(node)));
        }
        variables
    }

    /// Path of one of PostgreSQL's programs in its node.
    pub fn program(&self, name: &str) -> String {
        self.node.layout().program(name)
    }

    pub fn log(&self) -> std::path::PathBuf {
        self.node.layout().run.join("server.log")
    }

    pub async fn log_tail(&self, lines: usize) -> String {
        match self.node.get(&self.log()).await {
            Ok(log) => Output::tail(&log, lines),
            Err(error) => format!("(no log: {error})"),
        }
    }

    pub fn fill_in(&self, text: &str) -> String {
        fill_in(self.node.layout(), text)
    }

    /// Turns a failed start into an error that shows the log.
    pub async fn start_failure(&self, error: RuntimeError) -> ServerError {
        let RuntimeError::Command(failed) = error else {
            return error.into();
        };
        let log = self.log_tail(20).await;
        let said = last_words(&log).or(failed.tail.lines().last());
        let cause = match failed.timed_out {
            Some(deadline) => format!("not ready within {}", Time(deadline)),
            None => format!("exit code {}: {}", failed.exit, said.unwrap_or_default()),
        };
        let log: Vec<String> = log.lines().map(|line| format!("  | {line}")).collect();
        ServerError::Start {
            server: self.name.clone(),
            cause,
            log: log.join("\n"),
        }
    }

    async fn start_with(&self, script: String, within: Duration) -> Result<(), ServerError> {
        let exec = Exec::new(["sh", "-s"]).stdin(script).within(within);
        let exec = exec.unrecorded();
        match self.node.exec(exec).await {
            Ok(_) => Ok(()),
            Err(error) => Err(self.start_failure(error).await),
        }
    }

    /// The shell lines that start it and wait until it accepts connections, or has ended.
    /// They know by `postmaster.pid`, as `pg_ctl start` does; but that looks only each 100 ms,
    /// and gives up by itself in a long recovery: how long it may take is the caller's to say.
    /// `once`: settings for this start, beside those of every one.
    pub fn starting(&self, once: &[(String, String)]) -> String {
        let layout = self.node.layout();
        let data = layout.data.display();
        let own = self.overrides();
        let settings: String = own.iter().chain(once).map(option).collect();
        unlocking(&layout.data, &layout.run)
            + &format!(
                "setsid {postgres} -D {data}{settings} < /dev/null >> {log} 2>&1 &\n\
             until {{ read -r pid; for line in 2 3 4 5 6 7 8; do read -r state; done; }} < {data}/postmaster.pid &&\n\
             [ \"$pid\" = $! ] && case $state in ready|standby) ;; *) false ;; esac; do\n\
             kill -0 $! || break\n\
             sleep 0.01\n\
             done 2> /dev/null\n\
             kill -0 $! 2> /dev/null || {{ echo 'it ended before it was ready' >&2; exit 1; }}\n",
                postgres = self.program("postgres"),
                log = self.log().display()
            )
    }
}

/// Where a node's user keeps the superuser's password of the drill's servers.
pub fn passfile(node: &Node) -> String {
    node.layout().run.join("pgpass").display().to_string()
}

/// Writes it: what runs there may log in to every server of the drill.
///
/// # Errors
/// When the node refuses.
pub async fn write_passfile(node: &Node, passwords: &Passwords) -> Result<(), RuntimeError> {
    let password = passwords.get(SUPERUSER).map_or("", Secret::reveal);
    // As libpq reads it: a `:` ends a field.
    let password = password.replace('\\', "\\\\").replace(':', "\\:");
    let line = format!("*:*:*:{SUPERUSER}:{password}\n");
    let path = passfile(node);
    node.put(path.as_ref(), line.as_bytes(), 0o600).await
}

fn option((name, value): &(String, String)) -> String {
    format!(" -c {}", quoted(&format!("{name}={value}")))
}

/// The shell lines that take the lock files of a server that was killed for what they are. In a
/// container started again process ids begin anew: the one they name is soon another process's,
/// and then PostgreSQL refuses to start, or it is the new server's, and then the dead one's
/// `ready` would be believed. This shell's own id in its place is known to PostgreSQL as no
/// server's; the files stay, as they guard shared memory, too.
fn unlocking(data: &Path, run: &Path) -> String {
    format!(
        "for lock in {data}/postmaster.pid {run}/.s.PGSQL.*.lock; do\n\
         if [ -f \"$lock\" ] && read -r pid < \"$lock\" && ! [ \"/proc/$pid/cwd\" -ef {data} ]; then\n\
         sed -i \"1s/.*/$$/\" \"$lock\"\n\
         fi\n\
         done\n",
        data = data.display(),
        run = run.display(),
    )
}

/// The shell lines that put a new directory in an empty one's place, apart from what
/// was deleted before: in the place of a thousand files deleted within minutes, as an
/// earlier drill's are, ext4 makes new ones ten times slower. It looks elsewhere for a
/// directory with a new name in one marked as top of a hierarchy (`chattr +T`); other
/// file systems don't need that.
fn fresh(dir: &Path) -> String {
    let (dir, parent) = (dir.display(), dir.parent().unwrap_or(dir).display());
    format!(
        "chattr +T {parent} 2> /dev/null || :\n\
         fresh=$(mktemp -d {dir}.XXXXXX)\nrmdir {dir}\nmv -T \"$fresh\" {dir}\n"
    )
}

/// Why a server gave up: the last line of its log that is FATAL or PANIC, from the severity on.
fn last_words(log: &str) -> Option<&str> {
    log.lines().rev().find_map(|line| {
        let at = line.find("FATAL:").or_else(|| line.find("PANIC:"))?;
        Some(&line[at..])
    })
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::{last_words, unlocking};

    /// What is left of a lock file that names this process, once the shell has looked.
    fn unlocked(pid: u32) -> (u32, String) {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("postmaster.pid");
        std::fs::write(&file, format!("{pid}\n/data\n  1234  5\nready   \n")).unwrap();
        let script = String::from("set -eu\n") + &unlocking(dir.path(), dir.path());
        let mut shell = Command::new("sh").args(["-c", &script]).spawn().unwrap();
        assert!(shell.wait().unwrap().success());
        (shell.id(), std::fs::read_to_string(&file).unwrap())
    }

    #[test]
    fn a_killed_servers_lock_names_no_other_process() {
        let (shell, lock) = unlocked(std::process::id());
        assert_eq!(lock, format!("{shell}\n/data\n  1234  5\nready   \n"));
    }

    #[test]
    fn a_living_servers_lock_stays() {
        let dir = tempfile::tempdir().unwrap();
        let mut server = Command::new("sleep")
            .arg("60")
            .current_dir(dir.path())
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let file = dir.path().join("postmaster.pid");
        let lock = format!("{}\nready\n", server.id());
        std::fs::write(&file, &lock).unwrap();
        let script = unlocking(dir.path(), dir.path());
        Command::new("sh").args(["-euc", &script]).status().unwrap();
        server.kill().unwrap();
        server.wait().unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), lock);
    }

    #[test]
    fn the_last_words_of_a_server_are_its_last_fatal_line() {
        let log = "… LOG:  redo starts at 0/3\n… [9] FATAL:  recovery ended before it was to\n… LOG:  shutting down";
        assert_eq!(
            last_words(log),
            Some("FATAL:  recovery ended before it was to")
        );
        assert_eq!(last_words("LOG:  all is well"), None);
    }
}
