//! A node of this machine: a directory, a port, and the processes started in it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{self, Read, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use nix::unistd::{Pid, chown};
use tokio::net::TcpSocket;

use super::{host::Host, process, shared_memory};
use crate::{
    history::Recorder,
    runtime::{Exec, Layout, NodeSpec, Output, RuntimeError, Stats, exec::MOST},
};

#[derive(Clone, Debug)]
pub struct LocalNode {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    name: String,
    host: Host,
    drill: PathBuf,
    dir: PathBuf,
    layout: Layout,
    /// Each port of a container, and what stands for it.
    ports: BTreeMap<u16, Port>,
    killed: AtomicBool,
    recorder: Recorder,
}

impl LocalNode {
    pub(super) fn new(
        spec: &NodeSpec,
        host: Host,
        drill: PathBuf,
        dir: PathBuf,
        layout: Layout,
        recorder: &Recorder,
    ) -> Result<Self, RuntimeError> {
        let ports = spec.ports.iter().chain(&spec.inner_ports);
        let ports = ports.map(|port| Ok((*port, Port::reserve()?)));
        let inner = Inner {
            name: spec.name.clone(),
            host,
            drill,
            dir,
            layout,
            ports: ports.collect::<Result<_, RuntimeError>>()?,
            killed: AtomicBool::new(false),
            recorder: recorder.clone(),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    pub fn name(&self) -> &str {
        &self.inner.name
    }

    pub fn layout(&self) -> &Layout {
        &self.inner.layout
    }

    /// The TCP port that is reserved for one of its own as long as the node is there; 0: for none.
    pub fn port(&self, port: u16) -> u16 {
        let reserved = self.inner.ports.get(&port);
        reserved.map_or(0, |port| port.number)
    }

    /// Host and port at which one of its ports is served.
    pub async fn address(&self, port: u16) -> Result<(String, u16), RuntimeError> {
        self.up("tell the address of")?;
        Ok(("127.0.0.1".into(), self.port(port)))
    }

    /// Executes a command to its end.
    pub async fn exec(&self, exec: Exec) -> Result<Output, RuntimeError> {
        self.up("execute a command on")?;
        let Inner {
            name,
            host,
            recorder,
            ..
        } = &*self.inner;
        host.perform(name, exec, recorder).await
    }

    /// Writes a file of the drill, owned by the node's user.
    pub async fn put(&self, path: &Path, content: &[u8], mode: u32) -> Result<(), RuntimeError> {
        self.up("write a file on")?;
        self.inside(path)
            .and_then(|()| self.write(path, content, mode))
            .map_err(RuntimeError::io(format!("write `{}`", path.display())))
    }

    /// Reads a file of no more than [`MOST`] bytes, of the drill.
    pub async fn get(&self, path: &Path) -> Result<Vec<u8>, RuntimeError> {
        self.up("read a file on")?;
        self.inside(path)
            .and_then(|()| read(path))
            .map_err(RuntimeError::io(format!("read `{}`", path.display())))
    }

    /// kill -9 of everything in it, and its shared memory gone, as with a machine.
    pub async fn kill(&self) -> Result<(), RuntimeError> {
        let killed = self.kill_all().await?;
        process::gone(&killed).await.map_err(|it| self.survived(it))
    }

    async fn kill_all(&self) -> Result<BTreeSet<Pid>, RuntimeError> {
        let Inner { host, dir, .. } = &*self.inner;
        self.inner.killed.store(true, Ordering::SeqCst);
        let segments = shared_memory::of(&process::of(&host.marker, dir));
        let killed = process::kill_all(&host.marker, dir).await;
        let killed = killed.map_err(|status| self.survived(status))?;
        shared_memory::remove(segments).await;
        Ok(killed)
    }

    fn survived(&self, status: String) -> RuntimeError {
        let error = RuntimeError::io(format!("kill `{}`", self.inner.name));
        error(io::Error::other(status))
    }

    /// Lets a killed node execute again.
    pub async fn start(&self) -> Result<(), RuntimeError> {
        let Inner {
            name, dir, killed, ..
        } = &*self.inner;
        fs::metadata(dir).map_err(RuntimeError::io(format!("start `{name}`")))?;
        killed.store(false, Ordering::SeqCst);
        Ok(())
    }

    /// Kills it and removes its directory.
    pub async fn remove(&self) -> Result<(), RuntimeError> {
        self.kill_all().await?;
        let dir = &self.inner.dir;
        match process::remove_storage(dir).await {
            Err(cause) if cause.kind() != io::ErrorKind::NotFound => Err(RuntimeError::io(
                format!("remove `{}`", dir.display()),
            )(cause)),
            _ => Ok(()),
        }
    }

    /// Resources of what runs in it now; commands that ended are not counted.
    pub async fn stats(&self) -> Result<Stats, RuntimeError> {
        let Inner { host, dir, .. } = &*self.inner;
        Ok(process::stats(&process::of(&host.marker, dir)))
    }

    fn up(&self, doing: &str) -> Result<(), RuntimeError> {
        if !self.inner.killed.load(Ordering::SeqCst) {
            return Ok(());
        }
        let error = RuntimeError::io(format!("{doing} `{}`", self.inner.name));
        Err(error(io::Error::other("the node was killed")))
    }

    fn inside(&self, path: &Path) -> io::Result<()> {
        let upwards = path.components().any(|part| part.as_os_str() == "..");
        if path.starts_with(&self.inner.drill) && !upwards {
            return Ok(());
        }
        let drill = self.inner.drill.display();
        Err(io::Error::other(format!("it lies outside of `{drill}`")))
    }

    fn write(&self, path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(mode)
            .open(path)?;
        file.write_all(content)?;
        file.set_permissions(fs::Permissions::from_mode(mode))?;
        if let Some((uid, gid)) = self.inner.host.user.ids {
            chown(path, Some(uid), Some(gid))?;
        }
        Ok(())
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    let file = fs::File::open(path)?;
    file.take(MOST as u64 + 1).read_to_end(&mut content)?;
    match content.len() <= MOST {
        true => Ok(content),
        false => Err(io::Error::other(format!("it is larger than {MOST} bytes"))),
    }
}

/// A TCP port kept from all who ask for a free one: a socket is bound to it. It does not
/// listen, so the server, which asks to share (SO_REUSEADDR), can.
#[derive(Debug)]
struct Port {
    number: u16,
    _socket: TcpSocket,
}

impl Port {
    fn reserve() -> Result<Self, RuntimeError> {
        let reserve = || {
            let socket = TcpSocket::new_v4()?;
            socket.set_reuseaddr(true)?;
            socket.bind(([127, 0, 0, 1], 0).into())?;
            let number = socket.local_addr()?.port();
            Ok(Self {
                number,
                _socket: socket,
            })
        };
        reserve().map_err(RuntimeError::io("find a free TCP port on 127.0.0.1"))
    }
}

#[cfg(test)]
mod tests {
    use std::{
        net::{Shutdown, TcpListener, TcpStream},
        os::fd::OwnedFd,
    };

    use super::*;

    #[test]
    fn a_reserved_port_serves_one_who_asks_for_it_and_nobody_else() {
        let port = Port::reserve().unwrap();
        // Without sharing, as one who takes any port: refused.
        let stranger = TcpSocket::new_v4().unwrap();
        let taken = stranger.bind(([127, 0, 0, 1], port.number).into());
        assert_eq!(taken.unwrap_err().kind(), io::ErrorKind::AddrInUse);
        // As PostgreSQL does it, and again after a restart.
        for _ in 0..2 {
            let server = TcpListener::bind(("127.0.0.1", port.number)).unwrap();
            TcpStream::connect(("127.0.0.1", port.number)).unwrap();
            drop(server.accept().unwrap());
            stop_listening(server);
        }
    }

    /// To close it is not enough: a child of another test has a copy until it executes its
    /// program, and the port would be listened at as long.
    fn stop_listening(server: TcpListener) {
        let socket = TcpStream::from(OwnedFd::from(server));
        socket.shutdown(Shutdown::Both).unwrap();
    }
}
