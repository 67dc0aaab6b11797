//! A runtime on which nothing runs, for unit tests: it answers commands from a table
//! that the test prepared, keeps files in memory, and remembers what was asked.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{
    Exec, Layout, NodeSpec, Output, RuntimeError, Stats,
    exec::{Ended, Place},
};
use crate::history::Recorder;

/// The runtime. Clones share table and memory.
#[derive(Clone, Debug, Default)]
pub struct Fake {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    answers: Vec<(Vec<String>, Output)>,
    asked: Vec<String>,
    files: BTreeMap<(String, PathBuf), Vec<u8>>,
    nodes: BTreeMap<String, NodeState>,
    bug: bool,
}

#[derive(Debug)]
struct NodeState {
    drill: String,
    up: bool,
}

#[derive(Clone, Debug)]
pub struct FakeNode {
    name: String,
    layout: Layout,
    fake: Fake,
    recorder: Recorder,
}

impl Fake {
    /// Commands that begin with these words are answered so; the longest match wins, and
    /// of two equally long ones the later.
    pub fn answer<'a>(&self, words: impl IntoIterator<Item = &'a str>, output: Output) {
        let words = words.into_iter().map(str::to_owned).collect();
        self.lock().answers.push((words, output));
    }

    /// The next command that one of its nodes executes is a bug of the harness: it panics.
    pub fn have_a_bug(&self) {
        self.lock().bug = true;
    }

    /// What was asked so far, in order, each as `node: what`.
    pub fn asked(&self) -> Vec<String> {
        self.lock().asked.clone()
    }

    /// Creates a node.
    ///
    /// # Errors
    /// When there is one of that name.
    pub async fn create(
        &self,
        spec: &NodeSpec,
        recorder: &Recorder,
    ) -> Result<FakeNode, RuntimeError> {
        if self.lock().nodes.contains_key(&spec.name) {
            let error = RuntimeError::io(format!("create `{}`", spec.name));
            return Err(error(std::io::ErrorKind::AlreadyExists.into()));
        }
        self.note(&spec.name, "create");
        let state = NodeState {
            drill: spec.drill.clone(),
            up: true,
        };
        self.lock().nodes.insert(spec.name.clone(), state);
        Ok(FakeNode {
            name: spec.name.clone(),
            layout: layout(),
            fake: self.clone(),
            recorder: recorder.clone(),
        })
    }

    /// Removes the nodes of a drill.
    pub fn close_drill(&self, drill: &str) {
        let state = self.lock();
        let of_it = state.nodes.iter().filter(|(_, node)| node.drill == drill);
        let names: Vec<String> = of_it.map(|(name, _)| name.clone()).collect();
        drop(state);
        names.iter().for_each(|name| self.remove(name));
    }

    fn remove(&self, node: &str) {
        self.note(node, "remove");
        let mut state = self.lock();
        state.nodes.remove(node);
        state.files.retain(|(owner, _), _| owner != node);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, node: &str, what: &str) {
        self.lock().asked.push(format!("{node}: {what}"));
    }

    fn look_up(&self, argv: &[String]) -> Ended {
        let state = self.lock();
        let matching = state
            .answers
            .iter()
            .filter(|(words, _)| argv.starts_with(words));
        match matching.max_by_key(|(words, _)| words.len()) {
            Some((_, output)) => Ended {
                exit: output.exit,
                stdout: output.stdout.clone(),
                stderr: output.stderr.clone(),
                timed_out: false,
            },
            None => Ended::not_started("the test prepared no answer to this".into()),
        }
    }
}

fn layout() -> Layout {
    let below = |name: &str| Path::new("/fake").join(name);
    Layout {
        data: below("data"),
        tablespaces: below("tablespaces"),
        store: below("store"),
        run: below("run"),
        bin: below("bin"),
        template: below("template"),
    }
}

impl FakeNode {
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Paths that exist nowhere.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// PostgreSQL's own port.
    pub fn port(&self) -> u16 {
        5432
    }

    /// An address at which nobody listens (port 1 of the loopback interface).
    ///
    /// # Errors
    /// When the node was killed or removed.
    pub async fn address(&self) -> Result<(String, u16), RuntimeError> {
        self.up("tell the address of")?;
        Ok(("127.0.0.1".into(), 1))
    }

    /// Answers from the table.
    ///
    /// # Errors
    /// When the node is down, there is no answer, or it is one of failure.
    pub async fn exec(&self, exec: Exec) -> Result<Output, RuntimeError> {
        self.up("execute a command on")?;
        self.note(&exec.command_line());
        let bug = std::mem::take(&mut self.fake.lock().bug);
        assert!(!bug, "the test wanted a bug");
        let ended = self.fake.look_up(&exec.argv);
        let place = Place {
            node: &self.name,
            user: "postgres",
            recorder: &self.recorder,
        };
        place.conclude(&exec, ended, std::time::Duration::ZERO)
    }

    /// Keeps a file in memory.
    ///
    /// # Errors
    /// When the node is down.
    pub async fn put(&self, path: &Path, content: &[u8], mode: u32) -> Result<(), RuntimeError> {
        self.up("write a file on")?;
        self.note(&format!("put {} {mode:o}", path.display()));
        let key = (self.name.clone(), path.to_owned());
        self.fake.lock().files.insert(key, content.to_vec());
        Ok(())
    }

    /// Gives back a file that was put.
    ///
    /// # Errors
    /// When the node is down or there is none.
    pub async fn get(&self, path: &Path) -> Result<Vec<u8>, RuntimeError> {
        self.up("read a file on")?;
        let error = RuntimeError::io(format!("read `{}` on `{}`", path.display(), self.name));
        let key = (self.name.clone(), path.to_owned());
        let content = self.fake.lock().files.get(&key).cloned();
        content.ok_or_else(|| error(std::io::ErrorKind::NotFound.into()))
    }

    /// It executes nothing from now on.
    ///
    /// # Errors
    /// When it was removed.
    pub async fn kill(&self) -> Result<(), RuntimeError> {
        self.set("kill", false)
    }

    /// It executes again.
    ///
    /// # Errors
    /// When it was removed.
    pub async fn start(&self) -> Result<(), RuntimeError> {
        self.set("start", true)
    }

    /// Removes it and its files.
    ///
    /// # Errors
    /// Never.
    pub async fn remove(&self) -> Result<(), RuntimeError> {
        self.fake.remove(&self.name);
        Ok(())
    }

    /// Remembered only.
    ///
    /// # Errors
    /// When the node is down.
    pub async fn cut_off(&self) -> Result<(), RuntimeError> {
        self.up("cut off")?;
        self.note("cut off");
        Ok(())
    }

    /// Remembered only.
    ///
    /// # Errors
    /// When the node is down.
    pub async fn rejoin(&self) -> Result<(), RuntimeError> {
        self.up("rejoin")?;
        self.note("rejoin");
        Ok(())
    }

    /// None are used.
    ///
    /// # Errors
    /// When the node is down.
    pub async fn stats(&self) -> Result<Stats, RuntimeError> {
        self.up("measure")?;
        Ok(Stats::default())
    }

    /// As much as a number can say.
    ///
    /// # Errors
    /// When the node is down.
    pub async fn free_space(&self) -> Result<u64, RuntimeError> {
        self.up("measure")?;
        Ok(u64::MAX)
    }

    fn note(&self, what: &str) {
        self.fake.note(&self.name, what);
    }

    fn set(&self, what: &str, up: bool) -> Result<(), RuntimeError> {
        self.note(what);
        match self.fake.lock().nodes.get_mut(&self.name) {
            Some(state) => {
                state.up = up;
                Ok(())
            }
            None => Err(self.gone(what)),
        }
    }

    fn up(&self, doing: &str) -> Result<(), RuntimeError> {
        match self.fake.lock().nodes.get(&self.name) {
            Some(node) if node.up => Ok(()),
            Some(_) | None => Err(self.gone(doing)),
        }
    }

    fn gone(&self, doing: &str) -> RuntimeError {
        let error = RuntimeError::io(format!("{doing} `{}`", self.name));
        error(std::io::Error::other("the node is down or gone"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str, exit: i32) -> Output {
        Output {
            exit,
            stdout: text.into(),
            ..Output::default()
        }
    }

    async fn node(fake: &Fake) -> FakeNode {
        let spec = NodeSpec {
            name: "primary".into(),
            ..NodeSpec::default()
        };
        fake.create(&spec, &Recorder::in_memory()).await.unwrap()
    }

    #[tokio::test]
    async fn the_longest_match_answers_and_what_was_asked_is_remembered() {
        let fake = Fake::default();
        fake.answer(["psql"], said("any", 0));
        fake.answer(["psql", "-c"], said("closer", 0));
        fake.answer(["false"], said("", 1));
        let node = node(&fake).await;
        let asked = node.exec(Exec::new(["psql", "-c", "select 1"])).await;
        assert_eq!(asked.unwrap().text(), "closer");
        assert!(node.exec(Exec::new(["false"])).await.is_err());
        assert!(node.exec(Exec::new(["unknown"])).await.is_err());
        assert_eq!(fake.asked()[1], "primary: psql -c 'select 1'");
        assert_eq!(node.recorder.events().len(), 3);
    }

    #[tokio::test]
    async fn a_killed_node_refuses_and_keeps_its_files() {
        let fake = Fake::default();
        let node = node(&fake).await;
        let path = Path::new("/fake/data/f");
        node.put(path, b"x", 0o600).await.unwrap();
        node.kill().await.unwrap();
        assert!(node.get(path).await.is_err());
        node.start().await.unwrap();
        assert_eq!(node.get(path).await.unwrap(), b"x");
        node.remove().await.unwrap();
        assert!(node.start().await.is_err());
    }
}
